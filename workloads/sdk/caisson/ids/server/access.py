"""Who may ask for ids: whoever shows the token of the binding. What tells of the server, and gives none, is open to all."""

import hmac
import time
from collections.abc import Callable
from pathlib import Path

from caisson.binding import read_entry
from caisson.errors import ConfigurationError

ENTRY = "server_token"
SCHEME = "bearer"
REREAD_SECONDS = 1.0
"""A token that was changed counts after so long at most, once Kubernetes has rewritten the mounted Secret."""
NEEDED = "ids are given to who shows the token of the binding (entry server_token): send the header Authorization: Bearer TOKEN"
WRONG = "this token is not, or no longer, the one of the binding (entry server_token)"


class Access:
    """By one token, read anew now and then. Thread-safe: two threads that read it at the same time read the same."""

    def __init__(self, read: Callable[[], str], now: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigurationError where there is no token: nobody is served by oversight."""
        self._read, self._now = read, now
        self._known = (read().encode(), now())
        if not self._known[0]:
            raise ConfigurationError("the token of the id server is empty")

    def find_fault(self, authorization: str | None) -> str | None:
        """What is wrong with a request's header, for its sender; None: let it in."""
        scheme, _, shown = (authorization or "").strip().partition(" ")
        if scheme.lower() != SCHEME or not shown:
            return NEEDED
        return None if hmac.compare_digest(shown.strip().encode(), self._token()) else WRONG

    def _token(self) -> bytes:
        token, at = self._known
        if self._now() - at >= REREAD_SECONDS:
            token = self._reread() or token
            self._known = (token, self._now())
        return token

    def _reread(self) -> bytes:
        """Empty where it cannot be read just now: what was known counts on."""
        try:
            return self._read().encode()
        except (ConfigurationError, OSError, UnicodeError):
            return b""


def open_access(path: Path) -> Access:
    """Of a binding's directory. Raises ConfigurationError where it has no token."""
    return Access(lambda: read_entry(path, ENTRY))
