"""How the locks of one space behave: what the DistributedLock resource says, as the SDK holds it. Pure."""

from dataclasses import dataclass

from caisson.errors import ConfigurationError, LeaseTooShort
from caisson.locks.names import check_name

DEFAULT_LEASE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Policy:
    """`space` begins every key. `max_hold_seconds` is the longest that one hold may last, renewals and all (None: no
    limit). Without `fencing` no hold can be used as a fence, so that nobody trusts one by mistake."""

    space: str
    lease_seconds: float = DEFAULT_LEASE_SECONDS
    is_fair: bool = True
    is_reentrant: bool = True
    max_hold_seconds: float | None = None
    has_fencing: bool = True

    def __post_init__(self) -> None:
        check_name(self.space)
        if self.max_hold_seconds is not None and self.max_hold_seconds <= 0:
            raise ConfigurationError(f"maxHold is {self.max_hold_seconds:g} s: it has to be positive, or left out")


def check_lease(lease_seconds: float, shortest_seconds: float, store: str, reason: str) -> None:
    """Raise LeaseTooShort, a ConfigurationError, for a lease that `store` can not honour."""
    if not lease_seconds >= shortest_seconds:
        raise LeaseTooShort(
            f"a lease of {lease_seconds:g} s is shorter than {store} can honour ({shortest_seconds:g} s: {reason})"
        )
