"""A relay between clients and a server, which can be cut: the network to whoever is behind it is away, and comes back.

While it is cut nothing passes, either way, and nobody is told; what was on its way arrives late. New connections wait.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

CHUNK = 65536


class Relay:
    """Listens on `port` of loopback. `find_port` is where a connection leads that is made now."""

    def __init__(self, find_port: Callable[[], int]) -> None:
        self._find_port = find_port
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
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                self._is_whole.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def running_relay(find_port: Callable[[], int]) -> Iterator[Relay]:
    relay = Relay(find_port)
    try:
        yield relay
    finally:
        relay.close()
