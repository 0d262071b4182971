"""Connections to one Redis server, lent for one request each, and ears: connections that wait to be woken.

Not redis-py's client, whose way from the call to the socket takes longer than the server takes for the whole script; only
its connections.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from caisson.errors import ConfigurationError, EpochNotRaised, StoreUnavailable
from caisson.locks.redis_dialing import Dial
from caisson.locks.redis_scripts import Script

T = TypeVar("T")
LONGEST_PAUSE_SECONDS = 0.2
FIRST_PAUSE_SECONDS = 0.01
EPOCH_NOT_RAISED = "EPOCH"
_PASSING_CODES = ("NOREPLICAS", "BUSY", "MISCONF")
_PASSING_ERRORS = (ClusterDownError, OutOfMemoryError, TryAgainError)
"""With these a server says that it can not serve at this time."""


class Passing(Exception):
    """An attempt failed for a reason that may pass; `is_epoch`: the server answers, but its epoch is not raised."""

    def __init__(self, message: str, *, is_epoch: bool = False) -> None:
        super().__init__(message)
        self.is_epoch = is_epoch


class Ear:
    """A connection that is subscribed to a channel of its own."""

    def __init__(self, connection: redis.Connection, channel: str) -> None:
        self._connection = connection
        self.channel = channel
        connection.send_command("SUBSCRIBE", channel)
        connection.read_response()

    def hear(self, seconds: float) -> bytes:
        """What is said, or nothing after `seconds`. Raises Passing if the connection breaks."""
        try:
            return bytes(self._connection.read_response()[-1]) if self._connection.can_read(seconds) else b""
        except (redis.RedisError, OSError) as error:
            raise Passing(f"the connection to the store broke: {error}") from error

    def close(self) -> None:
        self._connection.disconnect()


class Link:
    """The connections of one client to one server (or to whoever is primary). Thread-safe."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._idle: deque[redis.Connection] = deque()
        self._ears: set[Ear] = set()
        self._is_closed = threading.Event()

    def run(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        """Run a script once: its answer. Raises Passing where another attempt may help, else ConfigurationError."""
        return self.send("EVALSHA", script.sha, len(keys), *keys, *arguments, otherwise=script)

    def send(self, *command: Any, otherwise: Script | None = None) -> Any:
        """Send a command and return its answer; a script that the server does not know is sent in full."""
        try:
            return self.finish(self.start(*command))
        except NoScriptError:
            if otherwise is None:
                raise
            return self.send("EVAL", otherwise.text, *command[2:])

    def start(self, *command: Any) -> redis.Connection:
        """Send a command; `finish` reads its answer. So several servers are asked at once."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open()
        try:
            connection.send_packed_command(connection.pack_command(*command), check_health=False)
        except BaseException as error:
            raise self._after(error, connection) from error
        return connection

    def finish(self, connection: redis.Connection) -> Any:
        """The answer to what was started. Raises NoScriptError beside what `send` raises."""
        try:
            answer = connection.read_response()
        except NoScriptError:
            self._idle.append(connection)
            raise
        except BaseException as error:
            raise self._after(error, connection) from error
        self._idle.append(connection)
        return answer

    def listen(self, channel: str) -> Ear:
        """A new ear. Raises Passing."""
        connection = self._open()
        try:
            ear = Ear(connection, channel)
        except BaseException as error:
            raise self._after(error, connection) from error
        self._ears.add(ear)
        return ear

    def forget(self, ear: Ear) -> None:
        self._ears.discard(ear)
        ear.close()

    def patiently(self, work: Callable[[], T], deadline: float) -> T:
        """Do `work` again while it raises Passing, until `deadline` (time.monotonic()): then StoreUnavailable."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return work()
            except Passing as error:
                self.pause_after(error, pause, deadline)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def pause_after(self, trouble: Passing, seconds: float, deadline: float) -> None:
        """Wait a little before the next attempt. Raises StoreUnavailable where none is left, or the link was closed."""
        self.must_be_open()
        if time.monotonic() + seconds >= deadline:
            kind = EpochNotRaised if trouble.is_epoch else StoreUnavailable
            raise kind(f"the store of the locks gave no answer in time: {trouble}") from trouble
        self._is_closed.wait(seconds)

    def must_be_open(self) -> None:
        if self._is_closed.is_set():
            raise StoreUnavailable("this client of the locks was closed")

    def close(self) -> None:
        """Close every connection that is not in use. Who waits at an ear is woken, and told by its next request."""
        self._is_closed.set()
        try:
            connection = self._idle.pop() if self._idle else self._dial()
            for channel in {ear.channel for ear in tuple(self._ears)}:
                connection.send_command("PUBLISH", channel, "closed")
                connection.read_response()
            connection.disconnect()
        except (redis.RedisError, OSError, IndexError):
            pass  # then they find out when they next say that they are alive
        self._drop_idle()

    def _open(self) -> redis.Connection:
        self.must_be_open()
        try:
            return self._dial()
        except (AuthenticationError, NoPermissionError) as error:
            raise ConfigurationError(f"the Redis server does not let this client in: {error}") from error
        except (redis.RedisError, OSError) as error:
            raise Passing(f"no connection: {error}") from error

    def _after(self, error: BaseException, connection: redis.Connection) -> BaseException:
        """What to raise after a failed request. An answer leaves the connection usable, anything else does not: the
        others lead to the same server, so they go with it."""
        if isinstance(error, ResponseError) and not isinstance(error, ReadOnlyError):
            self._idle.append(connection)
            text = str(error)
            if text.startswith(EPOCH_NOT_RAISED):
                return Passing(text, is_epoch=True)
            if isinstance(error, _PASSING_ERRORS) or text.startswith(_PASSING_CODES):
                return Passing(text)
            return ConfigurationError(f"the Redis server refused a lock script: {text}")
        connection.disconnect()
        self._drop_idle()
        if isinstance(error, (redis.RedisError, OSError)):
            return Passing(f"the connection to the store broke: {error}")
        return error

    def _drop_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().disconnect()
            except IndexError:
                return
