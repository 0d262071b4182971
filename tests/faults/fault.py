"""What a fault is: how it happens, and what must come of it.

It is a context: entered, it happens; left, it is healed. What must come of it is looked at in between.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum

from faults.stage import Stage, Standing


class Expected(StrEnum):
    MOVES = "a member that has every acknowledged commit is promoted"
    STAYS = "nobody is promoted; the primary goes on"
    WAITS = "nobody is promoted, and writes wait until a standby confirms them again"
    BLOCKS = "nobody is promoted, and FailoverBlocked says so; the old primary goes on once it is back"


WRITES_WAIT = {Expected.WAITS, Expected.BLOCKS}
"""Nothing is acknowledged while such a fault lasts."""

Happening = Callable[[Stage, Standing], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Said:
    """What the database's status must say while a fault lasts."""

    condition: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fault:
    """How it happens, and what docs/concepts/what-faults-do.md promises of it.

    `watch_seconds`: how long nobody must be promoted, where that is expected. `says`: what the status must say by then, and while it
    lasts. `sees_primary`: the application is beside the primary rather than beside the standby. `promotions`: how often somebody is
    promoted, where that is expected, at least. `same_may_lead`: it need not be another pod that leads in the end. `may_fail`: statements
    of the application may end without success, where all others only wait. `may_restart`: members may be started again, although nobody
    is promoted. `may_lose_plain`: what the plain writer recorded may go with its node.
    """

    name: str
    happen: Happening
    expected: Expected
    durability: str = "synchronous"
    watch_seconds: float = 0.0
    says: Said | None = None
    sees_primary: bool = False
    promotions: int = 1
    same_may_lead: bool = False
    may_fail: bool = False
    may_restart: bool = False
    may_lose_plain: bool = False
