"""A relay between clients and a server, which can be cut: the network to whoever is behind it is away, and comes back.

While it is cut nothing passes, either way, and nobody is told; what was on its way arrives late. New connections wait.
"""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

CHUNK = 65536
LINE_END = b"\r\n"

FindPort = Callable[[], int]
"""Where a connection leads that is made now. Raises OSError where that cannot be told."""
Reword = Callable[[bytes], bytes]
"""What a client hears in the place of a line that the server said."""


class Relay:
    """Listens on `port` of loopback. With `reword` what the server says has to be lines: it is passed on in whole ones."""

    def __init__(self, find_port: FindPort, reword: Reword | None = None) -> None:
        self._find_port = find_port
        self._reword = reword
        self._is_whole = threading.Event()
        self._is_whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_whole.clear()

    def heal(self) -> None:
        self._is_whole.set()

    def close(self) -> None:
        """No more connections; those that are there end with their clients."""
        self.heal()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for a client
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._is_whole.wait()
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._find_port())) as server:
            back = threading.Thread(target=self._pump, args=(server, client, self._reword), daemon=True)
            back.start()
            self._pump(client, server, None)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket, reword: Reword | None) -> None:
        with suppress(OSError):
            for data in _receive(source) if reword is None else _reworded(_receive(source), reword):
                self._is_whole.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _receive(source: socket.socket) -> Iterator[bytes]:
    while data := source.recv(CHUNK):
        yield data


def _reworded(chunks: Iterator[bytes], reword: Reword) -> Iterator[bytes]:
    """Whole lines only: the rest of a chunk waits for the next one."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(LINE_END)
        yield b"".join(reword(line) + LINE_END for line in lines)


class Way:
    """All relays between a client and the servers of its store."""

    def __init__(self) -> None:
        self._relays: list[Relay] = []

    def lead_to(self, find_port: FindPort, reword: Reword | None = None) -> int:
        """One more server: the port that leads to it."""
        self._relays.append(Relay(find_port, reword))
        return self._relays[-1].port

    def cut(self) -> None:
        for relay in self._relays:
            relay.cut()

    def cut_some(self, dice: random.Random) -> None:
        """As many servers as the dice say, or all, are out of reach."""
        for relay in dice.sample(self._relays, dice.randint(1, len(self._relays))):
            relay.cut()

    def heal(self) -> None:
        for relay in self._relays:
            relay.heal()

    def close(self) -> None:
        for relay in self._relays:
            relay.close()


@contextmanager
def open_way() -> Iterator[Way]:
    way = Way()
    try:
        yield way
    finally:
        way.close()
