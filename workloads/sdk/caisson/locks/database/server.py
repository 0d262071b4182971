"""The PostgreSQL that keeps the locks: a call that is repeated until it is answered, and what its errors mean.

Every function of the tables may be called again: an owner's name stands for one claim, so that a call whose answer was lost
(the COMMIT may have gone through) finds what the first one did. A failover is a pause, nothing else.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from caisson.binding import Binding, Reader, conninfo
from caisson.connections import Pool, ShardConnection, open_connection
from caisson.errors import ConfigurationError, EpochNotRaised, StoreUnavailable
from caisson.refusals import NotConnected, NotTrusted, PasswordRefused

Row = tuple[Any, ...]
EPOCH_NOT_RAISED = "CS020"
POOL_SIZE = 8
PAUSE_SECONDS = 0.05
_READ_ONLY = "25006"
_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58", "XX")
APPLICATION_NAME = "caisson-locks"


class Server:
    """Thread-safe. Connects when first used. `read_binding` is asked again for each connection, so that a password can change."""

    def __init__(self, read_binding: Reader) -> None:
        self._read_binding = read_binding
        self._pool = Pool(self.connect, POOL_SIZE)
        self.is_closed = threading.Event()

    def call(self, query: str, parameters: Sequence[Any], deadline: float) -> list[Row]:
        """One statement that may run more than once, in a transaction of its own.

        Raises StoreUnavailable at the deadline (time.monotonic()), EpochNotRaised, ConfigurationError.
        """
        rows, _ = self.call_again(query, parameters, deadline)
        return rows

    def call_again(self, query: str, parameters: Sequence[Any], deadline: float) -> tuple[list[Row], bool]:
        """The same, and whether an earlier attempt may have gone through."""
        is_repeated = False
        while True:
            self._must_be_open()
            try:
                with self._pool.connection(deadline) as connection:
                    return connection.execute(query.encode(), parameters or None).fetchall(), is_repeated
            except NotConnected as error:
                failure: Exception = error
            except psycopg.Error as error:
                _must_be_passing(error)
                self._pool.discard_idle()
                failure, is_repeated = error, True
            if time.monotonic() + PAUSE_SECONDS >= deadline:
                raise StoreUnavailable(
                    f"the database of the locks gave no answer in time: {_tell(failure)}"
                ) from failure
            self.is_closed.wait(PAUSE_SECONDS)

    def run_script(self, script: str, deadline: float) -> None:
        """Several statements in one transaction, by one client at a time."""
        self.call(f"SELECT pg_advisory_xact_lock(hashtext('caisson.locks')); {script}; SELECT 1", (), deadline)

    def connect(self, deadline: float) -> ShardConnection:
        """A connection to a server that takes writes. Raises psycopg.OperationalError, NotConnected."""
        binding = self._read_binding()
        address = binding.seeds[0]
        target = conninfo(_quiet(binding), address.host, address.port, target_session_attrs="read-write")
        connection = open_connection(target, deadline, self.is_closed.is_set)
        connection.execute("SET default_transaction_isolation = 'read committed'")
        return connection

    def close(self) -> None:
        self.is_closed.set()
        self._pool.close()

    def _must_be_open(self) -> None:
        if self.is_closed.is_set():
            raise StoreUnavailable("this client of the locks has been closed")


def _quiet(binding: Binding) -> Binding:
    parameters = {"application_name": APPLICATION_NAME, **binding.parameters}
    return Binding(parameters, binding.seeds, binding.shards)


def _must_be_passing(error: psycopg.Error) -> None:
    """Raise what trying again would not change."""
    state = error.sqlstate
    if state == EPOCH_NOT_RAISED:
        raise EpochNotRaised(_tell(error)) from error
    is_lost = state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if is_lost or state == _READ_ONLY or (state or "")[:2] in _TRANSIENT_CLASSES:
        return
    raise ConfigurationError(f"the database of the locks refused with {state}: {_tell(error)}") from error


def _tell(error: Exception) -> str:
    """One line, which holds no statement and no password."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    return str(error).strip().split("\n")[0][:300] or type(error).__name__


Connect = Callable[[float], ShardConnection]
NOT_REACHED = (NotConnected, NotTrusted, PasswordRefused, psycopg.Error, OSError)
