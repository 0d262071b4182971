"""kazoo's connections over TLS. Its own way to it would trust every authority of the system beside the one that is given."""

import ssl
from collections.abc import Sequence
from typing import Any

from kazoo.handlers.threading import SequentialThreadingHandler


class TlsHandler(SequentialThreadingHandler):  # type: ignore[misc]
    """`authority` is PEM. Servers must show a certificate of it for `name`; without one, for the name in the list of hosts."""

    def __init__(self, authority: str, name: str | None = None) -> None:
        super().__init__()
        self._context, self._name = ssl.create_default_context(cadata=authority), name

    def create_connection(self, address: tuple[str, int], hostname: str, timeout: float, **_: Any) -> ssl.SSLSocket:
        plain = super().create_connection(address, timeout=timeout)
        return self._context.wrap_socket(plain, server_hostname=self._name or hostname)

    def select(
        self, readers: Sequence[Any], writers: Sequence[Any], others: Sequence[Any], timeout: float | None = None
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """What TLS has read and nobody has taken yet is no longer in the socket, which would be silent until the server says more."""
        held = [each for each in readers if isinstance(each, ssl.SSLSocket) and each.pending()]
        readable, writable, failed = super().select(readers, writers, others, 0 if held else timeout)
        return [*held, *(each for each in readable if each not in held)], writable, failed
