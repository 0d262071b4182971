"""The tables and functions of the locks, and the space in them: found, or made where this client may."""

import threading
import time
from importlib import resources

from caisson.errors import ConfigurationError, StoreUnavailable

from .server import Server

VERSION = 1
_INSTALLED = "SELECT to_regprocedure('caisson.lock_version()') IS NOT NULL"
_VERSION = "SELECT caisson.lock_version()"


class Tables:
    """Looks once. `is_managed`: the operator makes the tables and opens the space, and this client only uses them."""

    def __init__(self, server: Server, space: str, is_managed: bool) -> None:
        self._server, self._space, self._is_managed = server, space, is_managed
        self._are_there, self._guard = False, threading.Lock()

    def must_be_there(self, deadline: float) -> None:
        """Raises StoreUnavailable, ConfigurationError."""
        if self._are_there:
            return
        with self._guard:
            if not self._are_there:
                self._find_or_make(deadline)
                self._are_there = True

    def _find_or_make(self, deadline: float) -> None:
        ((is_installed,),) = self._server.call(_INSTALLED, (), deadline)
        ((version,),) = self._server.call(_VERSION, (), deadline) if is_installed else ((0,),)
        if version < VERSION and self._is_managed:
            raise StoreUnavailable("the operator has not made the tables of the locks in this database yet")
        if version < VERSION:
            self._make(deadline)
        if not self._is_managed:
            self._server.call("SELECT caisson.lock_open(%s, false, 0)", (self._space,), deadline)

    def _make(self, deadline: float) -> None:
        """All or nothing, one client at a time."""
        text = resources.files(__package__).joinpath("locks.sql").read_text()
        try:
            self._server.run_script(text, max(deadline, time.monotonic() + 5))
        except ConfigurationError as error:
            told = f"the tables of the locks could not be made, which needs CREATE on the database: {error}"
            raise ConfigurationError(told) from error
