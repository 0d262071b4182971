"""The little of Redis' protocol that a member needs, with a timeout on everything.

RedisError          the server said no: its words
OSError             it could not be reached, or did not answer in time
"""

import socket
import ssl
from pathlib import Path
from types import TracebackType
from typing import IO

from .member import AUTHORITY

SECONDS = 1.0

Answer = str | int | None | list["Answer"]


class RedisError(Exception):
    pass


class Connection:
    """One connection to (host, port) over TLS, or to the path of a socket. Answers are text.

    The server must show a certificate for the host's name, of the authority in the file.
    """

    def __init__(
        self, address: tuple[str, int] | str, password: str, seconds: float = SECONDS, authority: Path = AUTHORITY
    ) -> None:
        if isinstance(address, str):
            self._socket = _connect_here(address, seconds)
        else:
            self._socket = _connect(address, seconds, authority)
        self._file: IO[bytes] = self._socket.makefile("rb")
        try:
            self.call("AUTH", password)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def call(self, *words: str | int) -> Answer:
        parts = [str(word).encode() for word in words]
        framed = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(b"*%d\r\n%s" % (len(parts), framed))
        return self._read()

    def info(self, section: str) -> dict[str, str]:
        lines = str(self.call("INFO", section)).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _read(self) -> Answer:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has hung up")
        kind, rest = line[:1], line[1:-2].decode(errors="replace")
        match kind:
            case b"+":
                return rest
            case b"-":
                raise RedisError(rest)
            case b":":
                return int(rest)
            case b"$":
                return self._read_text(int(rest))
            case b"*":
                return [self._read() for _ in range(int(rest))] if int(rest) >= 0 else None
        raise ConnectionError(f"an answer that is none: {kind!r}")

    def _read_text(self, length: int) -> str | None:
        return None if length < 0 else self._file.read(length + 2)[:-2].decode(errors="replace")


def _connect(address: tuple[str, int], seconds: float, authority: Path) -> socket.socket:
    context = ssl.create_default_context(cafile=authority)
    plain = socket.create_connection(address, timeout=seconds)
    try:
        return context.wrap_socket(plain, server_hostname=address[0])
    except BaseException:
        plain.close()
        raise


def _connect_here(path: str, seconds: float) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(seconds)
    try:
        connected.connect(path)
    except BaseException:
        connected.close()
        raise
    return connected
