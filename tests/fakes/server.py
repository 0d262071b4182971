"""One shard's primary with its standby: what is visible, what is on disk, and what the synchronous standby has.

The write-ahead log is sequential: whatever makes one commit durable makes all earlier ones durable too. So durability is three copies of
the catalog, and a crash or a failover takes one back to an earlier copy.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Self

from caisson_operator.core.layout import Bucket, SwitchGroup

from .catalog import Catalog


class Unreachable(Exception):
    """There is no primary to talk to."""


class SessionLost(Exception):
    """The server that the session was with crashed, was demoted, or ended it."""


class EngineError(Exception):
    """The server refuses the statement."""


class Deposed(Exception):
    """A leader of a later term has been here."""


@dataclass(eq=False, slots=True)
class OpenFence:
    """The fence's transaction on the source: it holds the leaves' locks. `commit` makes its changes; they show only when
    the COMMIT is through."""

    group: SwitchGroup
    term: int
    commit: Callable[[Catalog], None]
    is_committing: bool = False


@dataclass(slots=True)
class Server:
    name: str
    timeline: int = 1
    live: Catalog = field(default_factory=Catalog)
    flushed: Catalog = field(default_factory=Catalog)
    standby: Catalog | None = field(default_factory=Catalog)
    slots: dict[str, int] = field(default_factory=dict)  # name -> position that was confirmed
    fences: list[OpenFence] = field(default_factory=list)
    busy: set[Bucket] = field(default_factory=set)  # of open transactions: they hold the leaves' locks
    waiting: list[tuple[str, str, int | None]] = field(default_factory=list)  # commits that no standby has yet
    on_acknowledged: Callable[[tuple[str, str, int | None]], None] = lambda write: None
    prepared_transactions: int = 0
    has_long_reader: bool = False
    workers: int = 32  # of logical replication: one a subscription, and one while it makes its initial copy
    is_standby_away: bool = False  # it does not come back by itself
    is_up: bool = True

    def fork(self) -> Self:
        """As it stands, to try what may happen from here. Values are shared, for none is ever changed in place."""
        values = {f.name: copy(getattr(self, f.name)) for f in fields(self)}
        catalogs = {name: c.copy() for name, c in values.items() if isinstance(c, Catalog)}
        fences = [replace(fence) for fence in self.fences]
        return type(self)(**{**values, **catalogs, "fences": fences})

    def commit(self) -> None:
        """Returns when the standby has it; without one, when the disk has it."""
        self.commit_locally()
        self.replicate()

    def commit_locally(self) -> None:
        self.flushed = self.live.copy()

    def replicate(self) -> None:
        """The standby catches up with the primary's disk, and what waited for it is acknowledged."""
        if self.standby is not None:
            self.standby = self.flushed.copy()
        for write in self.waiting:
            self.on_acknowledged(write)
        self.waiting = []

    def lose_standby(self) -> None:
        """The primary stops waiting for it: commits that waited return."""
        self.standby, self.is_standby_away = None, True
        self.replicate()

    def return_standby(self) -> None:
        self.standby, self.is_standby_away = Catalog(), False
        self.replicate()

    def restart(self, is_promotion: bool = False) -> None:
        """Crash recovery of the same data: a COMMIT that had reached the disk is there. Patroni may promote it anew."""
        self._end_sessions()
        self.live = self.flushed.copy()
        self.timeline += is_promotion
        self.is_up = True

    def fail_over(self) -> None:
        """The standby leads. It knows no logical slots, and the old primary is not a standby yet."""
        assert self.standby is not None
        self.fences, self.busy, self.waiting = [], set(), []
        self.live = self.standby.copy()
        self.flushed = self.standby.copy()
        self.standby = None
        self.slots = {}
        self.timeline += 1
        self.is_up = True

    def end_fence(self, fence: OpenFence) -> None:
        """Terminate its backend. A COMMIT that waited for the standby is a commit, which the standby does not have yet."""
        self.fences.remove(fence)
        if fence.is_committing:
            fence.commit(self.live)
            self.commit_locally()

    def finish_fence(self, fence: OpenFence) -> None:
        """The COMMIT returns."""
        self.end_fence(fence)
        self.replicate()

    def locks(self, bucket: Bucket) -> bool:
        return any(bucket.group == f.group.tables.name and bucket.number in f.group.buckets for f in self.fences)

    def _end_sessions(self) -> None:
        for fence in list(self.fences):
            self.end_fence(fence)
        self.busy = set()
