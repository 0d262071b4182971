"""How a snowflake id is put together: milliseconds since an epoch, then a worker id, then a sequence number. Pure.

An id is positive and fits a signed 64-bit column, so the three parts have at most 63 bits together. Ids of two layouts may
coincide: a space keeps the layout that it was made with (caisson.ids.spaces).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from caisson.errors import ConfigurationError

ID_BITS = 63
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_EPOCH = "2026-01-01T00:00:00Z"
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What an id says: when (UTC, to the millisecond), by which worker id, and the how-manieth of that millisecond."""

    at: datetime
    worker: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Bits of each part, and the epoch in milliseconds of Unix time. Raises ConfigurationError for one that cannot work."""

    timestamp_bits: int = 41
    worker_bits: int = 10
    sequence_bits: int = 12
    epoch_ms: int = 1_767_225_600_000  # DEFAULT_EPOCH

    def __post_init__(self) -> None:
        bits = f"{self.timestamp_bits}+{self.worker_bits}+{self.sequence_bits}"
        if min(self.timestamp_bits, self.worker_bits) < 1:
            raise ConfigurationError(f"layout {bits}: timestamp and worker need a bit each")
        if self.sequence_bits < 1:
            left = ID_BITS - self.timestamp_bits - self.worker_bits
            raise ConfigurationError(
                f"layout {bits}: {self.worker_bits} worker bits leave no sequence; "
                f"{self.timestamp_bits} of {ID_BITS} bits are the timestamp's, so at most {self.worker_bits + left - 1}"
            )
        if self.timestamp_bits + self.worker_bits + self.sequence_bits > ID_BITS:
            raise ConfigurationError(f"layout {bits} has more than {ID_BITS} bits: an id would not fit a bigint")
        if self.epoch_ms < 0:
            raise ConfigurationError("the epoch of a layout is not before 1970-01-01T00:00:00Z")

    @classmethod
    def of(cls, bits: str, epoch: str = DEFAULT_EPOCH) -> "Layout":
        """From `41+10+12` and an RFC 3339 time. Raises ConfigurationError."""
        parts = bits.split("+")
        if len(parts) != 3 or not all(part.isdecimal() for part in parts):
            raise ConfigurationError(f"layout {bits!r} is not of the form 41+10+12 (timestamp+worker+sequence)")
        timestamp, worker, sequence = (int(part) for part in parts)
        return cls(timestamp, worker, sequence, parse_epoch(epoch))

    def __str__(self) -> str:
        return f"{self.timestamp_bits}+{self.worker_bits}+{self.sequence_bits} since {self.epoch_ms}"

    @property
    def workers(self) -> int:
        return 1 << self.worker_bits

    @property
    def ids_per_millisecond(self) -> int:
        return 1 << self.sequence_bits

    @property
    def end_ms(self) -> int:
        """The first millisecond of Unix time that the timestamp cannot hold."""
        return self.epoch_ms + (1 << self.timestamp_bits)

    def first_id(self, at_ms: int, worker: int) -> int:
        """The id with sequence 0; those of the same millisecond and worker follow it without a gap."""
        return ((at_ms - self.epoch_ms) << self.worker_bits | worker) << self.sequence_bits

    def decode(self, id: int) -> Decoded:
        """Raises ConfigurationError for a number that is no id of this layout."""
        if not 0 <= id < 1 << (self.timestamp_bits + self.worker_bits + self.sequence_bits):
            raise ConfigurationError(f"{id} is not an id of layout {self}")
        rest, sequence = divmod(id, self.ids_per_millisecond)
        since_epoch, worker = divmod(rest, self.workers)
        return Decoded(UNIX_EPOCH + (self.epoch_ms + since_epoch) * _MILLISECOND, worker, sequence)


def parse_epoch(text: str) -> int:
    """Milliseconds of Unix time of an RFC 3339 time with its offset. Raises ConfigurationError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"epoch {text!r} is not a time such as {DEFAULT_EPOCH}") from None
    if at.tzinfo is None:
        raise ConfigurationError(f"epoch {text!r} does not say its offset; write {text}Z for UTC")
    return (at - UNIX_EPOCH) // _MILLISECOND
