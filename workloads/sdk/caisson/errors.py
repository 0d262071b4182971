"""What the SDK raises. SQL errors of the application itself pass through as psycopg's own.

    Error
    |-- ConfigurationError        the call or the binding is wrong; the same call fails again
    |   |-- UnknownTable          no such sharded table or group, or it has to be named
    |   |-- BadKey                the key does not fit the sharding key's types
    |   `-- NotOnOneShard         one transaction touched keys that live on different shards
    |-- Unavailable               the deadline passed; nothing was done
    |   |-- NoPrimary             no primary of the shard took a statement
    |   |-- Moved                 the bucket had no reachable owner all that time
    |   `-- ScatterIncomplete     the shards' answers never covered the table exactly once
    `-- OutcomeUnknown            the transaction may or may not have been committed

`is_safe_to_retry` says whether calling again can do harm: it is true exactly where nothing was done.
"""


class Error(Exception):
    """Root of everything that the SDK itself raises."""

    is_safe_to_retry: bool = False


class ConfigurationError(Error):
    """The call, the binding or the schema is wrong; nothing was done, and trying again changes nothing."""


class UnknownTable(ConfigurationError):
    """No sharded table (or group) of that name, or several groups and none was named."""


class BadKey(ConfigurationError):
    """The key is not a value that the sharding key's columns can hold."""


class NotOnOneShard(ConfigurationError):
    """A transaction needs a second key whose bucket lives on another shard at this time."""


class Unavailable(Error):
    """The deadline passed while every attempt was refused. Nothing was done."""

    is_safe_to_retry = True


class NoPrimary(Unavailable):
    """No primary of the owning shard took a statement before the deadline."""


class Moved(Unavailable):
    """The bucket was on the move, or nobody's, until the deadline. Raised only then: a move is retried."""


class ScatterIncomplete(Unavailable):
    """The shards' answers did not cover the tables exactly once before the deadline."""


class OutcomeUnknown(Error):
    """COMMIT was sent and its answer is not known: done once, or not at all.

    Call again with the same `idempotency_key` if one was given: it is then done exactly once. Without one, look first.
    """

    def __init__(self, message: str, *, has_idempotency_key: bool = False) -> None:
        super().__init__(message)
        self.is_safe_to_retry = has_idempotency_key
