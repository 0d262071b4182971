"""What allocators of ids have noted in their store of wall clocks that went back. Pure."""

from dataclasses import dataclass
from datetime import datetime

TOLD_SECONDS = 3600.0
"""For so long after the last one: who has set the clock right need not take the note away."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """Of the last owner of a worker id whose clock went back since it was started. `teller` is its host and process."""

    worker: int
    teller: str
    times: int
    furthest_seconds: float
    seen_at: datetime
    """The last of them, by the store's clock."""

    @property
    def host(self) -> str:
        return self.teller.partition("/")[0]
