"""What the SDK raises. SQL errors of the application itself pass through as psycopg's own.

    Error
    |-- ConfigurationError        the call or the binding is wrong; the same call fails again
    |   |-- UnknownTable          no such sharded table or group, or it has to be named
    |   |-- BadKey                the key does not fit the sharding key's types
    |   |-- NotOnOneShard         one transaction touched keys that live on different shards
    |   |-- BadName               not a name for a lock
    |   `-- LeaseTooShort         the store can not honour so short a lease
    |-- Unavailable               the deadline passed; nothing was done
    |   |-- NoPrimary             no primary of the shard took a statement
    |   |-- Moved                 the bucket had no reachable owner all that time
    |   |-- ScatterIncomplete     the shards' answers never covered the table exactly once
    |   |-- NoIds                 no id could be had; none was handed out
    |   |   |-- ClockWentBack     the wall clock is further behind the last id than is allowed
    |   |   |-- NoWorkerId        every worker id is leased, or reserved past this moment
    |   |   `-- IdsExhausted      the layout, or the counter, has no higher id; waiting does not help
    |   |-- LockTimeout           others held the lock all that time
    |   `-- StoreUnavailable      the store of the locks (or ids) gave no answer
    |       `-- EpochNotRaised    it answers, but its epoch has not been raised since it changed: no token is safe
    |-- LockLost                  the lock was lost while it was held; what was done since may overlap with another's work
    |-- FencedOff                 the shard has seen a newer token of the lock; nothing was done
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


class BadName(ConfigurationError):
    """A lock's name is empty, too long, or has control characters in it."""


class LeaseTooShort(ConfigurationError):
    """The store can not promise a lease as short as this."""


class Unavailable(Error):
    """The deadline passed while every attempt was refused. Nothing was done."""

    is_safe_to_retry = True


class NoPrimary(Unavailable):
    """No primary of the owning shard took a statement before the deadline."""


class Moved(Unavailable):
    """The bucket was on the move, or nobody's, until the deadline. Raised only then: a move is retried."""


class ScatterIncomplete(Unavailable):
    """The shards' answers did not cover the tables exactly once before the deadline."""


class NoIds(Unavailable):
    """No id could be had before the deadline: the store was not there to promise any. Ids are at most left out, never repeated."""


class ClockWentBack(NoIds):
    """The wall clock is further behind the last id than `max_rollback`. It goes on by itself once the clock has caught up."""


class NoWorkerId(NoIds):
    """Every worker id of the layout is leased to somebody, or its owner reserved time that has not passed yet."""


class IdsExhausted(NoIds):
    """There is no higher id in this layout or of this counter. Waiting does not help: another space is needed."""

    is_safe_to_retry = False


class LockTimeout(Unavailable):
    """Others held the lock until the timeout passed. The caller neither holds it nor waits for it any longer."""


class StoreUnavailable(Unavailable):
    """The store of a lock space gave no answer in time. The caller holds nothing (a lost answer's grant ends with its lease)."""


class EpochNotRaised(StoreUnavailable):
    """The store has failed over, restarted or been restored, and its epoch has not been raised yet: it grants nothing until then."""


class LockLost(Error):
    """A lock was lost while it was held: its lease ran out, it was taken away, or it was held for longer than allowed.

    Not safe to retry blindly: what the holder did last may have overlapped with the next holder's work.
    """


class FencedOff(Error):
    """The transaction's lock has been granted to another since, whose token the shard has seen. Nothing was done.

    Trying again with the same hold changes nothing: acquire the lock anew, and read anew what the work depends on.
    """


class OutcomeUnknown(Error):
    """COMMIT was sent and its answer is not known: done once, or not at all.

    Call again with the same `idempotency_key` if one was given: it is then done exactly once. Without one, look first.
    """

    def __init__(self, message: str, *, has_idempotency_key: bool = False) -> None:
        super().__init__(message)
        self.is_safe_to_retry = has_idempotency_key
