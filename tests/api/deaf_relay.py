"""A relay to the API server that can make watches go deaf: they stay open and bring nothing more, while requests are answered.

What is said is encrypted, so it goes by who speaks: an answer passes soon after its request, and an event of a watch comes unasked.
"""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

CHUNK = 65536
ANSWER_SECONDS = (
    2.0  # far more than an answer takes here, and less than the leader leaves between two touches of its canary
)


@dataclass
class DeafRelay:
    port_behind: int = 0
    _is_deaf: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def deafen(self) -> None:
        self._is_deaf.set()

    def close(self) -> None:
        self._is_deaf.clear()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for a client
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.port_behind))
                line = Line(client, server, self._is_deaf)
                threading.Thread(target=line.pass_requests, daemon=True).start()
                threading.Thread(target=line.pass_answers, daemon=True).start()


@dataclass
class Line:
    client: socket.socket
    server: socket.socket
    is_deaf: threading.Event
    asked_at: float = 0.0

    def pass_requests(self) -> None:
        with suppress(OSError):
            while data := self.client.recv(CHUNK):
                self.asked_at = time.monotonic()
                self.server.sendall(data)
        self._end(self.server)

    def pass_answers(self) -> None:
        with suppress(OSError):
            while data := self.server.recv(CHUNK):
                while self.is_deaf.is_set() and time.monotonic() - self.asked_at > ANSWER_SECONDS:
                    time.sleep(0.05)
                self.client.sendall(data)
        self._end(self.client)

    def _end(self, side: socket.socket) -> None:
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
