"""The leader's record and the sync record, as the API server keeps them: a write names the version that it has read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from early_expiry.records import LeaderRecord, SyncRecord

A_LEADS = LeaderRecord("1", "A", "acquired 0", "renewed 0", "10.0.0.1")
B_IS_SYNCHRONOUS = SyncRecord("1", "A", frozenset("B"), 0)


class Target(StrEnum):
    LEADER = "leader"
    SYNC = "sync"


@dataclass(frozen=True)
class Write:
    target: Target
    version: str
    changes: Mapping[str, Any]


@dataclass
class Store:
    """`timeline` is the newest one that a primary has written down (the history, in `<scope>-config`)."""

    record: LeaderRecord = A_LEADS
    sync: SyncRecord = B_IS_SYNCHRONOUS
    timeline: int = 1
    writes: int = 1
    # Sent by somebody who has given up waiting for the answer.
    in_flight: list[Write] = field(default_factory=list)

    def write_leader(self, version: str, **changes: Any) -> bool:
        if version != self.record.version:
            return False
        self.record = replace(self.record, version=self._next(), **changes)
        return True

    def write_sync(self, version: str, **changes: Any) -> bool:
        if version != self.sync.version:
            return False
        self.sync = replace(self.sync, version=self._next(), **changes)
        return True

    def carry_out(self, write: Write) -> bool:
        put = self.write_leader if write.target == Target.LEADER else self.write_sync
        return put(write.version, **write.changes)

    def arrive(self) -> None:
        """The oldest of what is on its way."""
        if self.in_flight:
            self.carry_out(self.in_flight.pop(0))

    def stamp(self, word: str) -> str:
        """A time of day, as far as anybody compares it."""
        return f"{word} {self.writes}"

    def _next(self) -> str:
        self.writes += 1
        return str(self.writes)
