"""kazoo's client with what a lock has to know of it beyond its interface: how long its session lasts, and how to leave a
server that has fallen silent before the session is lost over it.

The only module that touches kazoo's inner parts.
"""

import contextlib
import logging
import math
import select
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, SessionClosedRequireSaslError
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.connection import ConnectionHandler
from kazoo.retry import KazooRetry
from kazoo.security import CREATOR_ALL_ACL

_READ_SHARE = 2 / 3
"""kazoo tells the session's length only by this share of it."""


_UNHEARD = logging.getLogger("caisson.locks.zookeeper.closed")
"""For a connection that is broken on purpose."""
_UNHEARD.addHandler(logging.NullHandler())
_UNHEARD.propagate = False


class _Handler(SequentialThreadingHandler):  # type: ignore[misc]
    """Gives up on an address that swallows packets while there is still time to try the next one; waits for sockets by
    poll, since kazoo asks five times a request, and makes a new selector each time."""

    connect_seconds = 1.0
    authority: Path | None = None
    """A file of certificates. With one, servers must show a certificate of it for the name that they were asked for by."""
    distrust = ""
    """Why the last certificate that was refused was refused."""

    def create_connection(self, address: tuple[str, int], hostname: str, **_: Any) -> Any:
        """kazoo's own way to TLS would trust every authority of the system beside the one that is given."""
        plain = super().create_connection(address, timeout=self.connect_seconds)
        if self.authority is None:
            return plain
        try:
            context = ssl.create_default_context(cafile=self.authority)
            return context.wrap_socket(plain, server_hostname=hostname)
        except ssl.SSLCertVerificationError as error:
            self.distrust = f"{hostname} showed a certificate that is not trusted: {error.verify_message}"
            raise

    def select(
        self, readers: Sequence[Any], writers: Sequence[Any], _: Sequence[Any], timeout: float | None = None
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """As select.select, for sockets with any number. What TLS has read and nobody has taken yet is no longer in the
        socket, which would be silent until the server says more."""
        held = [each for each in readers if isinstance(each, ssl.SSLSocket) and each.pending()]
        poll = select.poll()
        for reader in readers:
            poll.register(reader, select.POLLIN)
        for writer in writers:
            poll.register(writer, select.POLLOUT)
        wait = 0 if held else None if timeout is None else max(0, math.ceil(timeout * 1000))
        ready = {number for number, _ in poll.poll(wait)}
        return (
            [each for each in readers if each in held or _number(each) in ready],
            [each for each in writers if _number(each) in ready],
            [],
        )


def _number(socket_or_number: Any) -> int:
    return socket_or_number if isinstance(socket_or_number, int) else int(socket_or_number.fileno())


class _Connection(ConnectionHandler):  # type: ignore[misc]
    """Keeps the session's length that the server has agreed to."""

    session_seconds = 0.0

    def _connect(self, host: str, hostip: str, port: int) -> tuple[float, float]:
        try:
            read_milliseconds, connect_milliseconds = super()._connect(host, hostip, port)
        except (
            SessionClosedRequireSaslError
        ) as error:  # kazoo knows this refusal no better than a bug, and its thread would end
            raise AuthFailedError from error
        self.session_seconds = read_milliseconds / _READ_SHARE / 1000
        return read_milliseconds, connect_milliseconds

    def _invoke(self, timeout: float, request: Any, xid: int | None = None) -> Any:
        """A server that hangs lets a client in as far as its kernel does, and then says nothing."""
        return super()._invoke(min(timeout, self.handler.connect_seconds), request, xid)

    def drop(self) -> None:
        """Break the connection; the session lives on, and the next server is tried.

        Not by the shutdown of a TLS socket, which first of all makes a plain one of it: kazoo's thread may be about to write.
        """
        current = self._socket
        if current is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(current, socket.SHUT_RDWR)


class Client(KazooClient):  # type: ignore[misc]
    """`sasl` is (username, password), or None. `authority` is a file; without one there is no TLS. Reconnects for ever, and quickly."""

    def __init__(
        self, hosts: str, session_seconds: float, sasl: tuple[str, str] | None, authority: Path | None = None
    ) -> None:
        handler = _Handler()
        handler.connect_seconds = min(session_seconds / 6, 2.0)
        handler.authority = authority
        options = {"mechanism": "DIGEST-MD5", "username": sasl[0], "password": sasl[1]} if sasl else None
        super().__init__(
            hosts=hosts,
            timeout=session_seconds,
            handler=handler,
            sasl_options=options,
            default_acl=CREATOR_ALL_ACL if sasl else None,
            connection_retry=KazooRetry(max_tries=-1, delay=0.02, backoff=2, max_jitter=0.1, max_delay=0.3),
        )
        self._connection = _Connection(self, self._conn_retry.copy(), logger=self.logger, sasl_options=options)

    @property
    def session_seconds(self) -> float:
        """Of the present session; 0 before there was one."""
        seconds: float = self._connection.session_seconds
        return seconds

    @property
    def distrust(self) -> str:
        """Why the last server whose certificate was refused was refused; empty where none was."""
        found: str = self.handler.distrust
        return found

    def drop(self) -> None:
        """Leave the present server for the next one, where there is one."""
        if len(self.hosts) > 1:
            self._connection.drop()

    def abandon(self) -> None:
        """Stop without ending the session: what it holds stays held until the servers let it expire."""
        self._stopped.set()
        self._connection.logger = _UNHEARD
        self._connection.drop()
        self._safe_close()


Sender = Callable[[Client], Any]
"""Sends a request by one of kazoo's `_async` methods and returns what it returned."""
