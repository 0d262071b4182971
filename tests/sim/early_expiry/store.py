"""The leader's record and the sync record, as the API server keeps them: a write names the version that it has read."""

from dataclasses import dataclass, replace
from typing import Any

from early_expiry.records import LeaderRecord, SyncRecord

A_LEADS = LeaderRecord("1", "A", "acquired 0", "renewed 0", "10.0.0.1")
B_IS_SYNCHRONOUS = SyncRecord("1", "A", frozenset("B"), 0)


@dataclass
class Store:
    record: LeaderRecord = A_LEADS
    sync: SyncRecord = B_IS_SYNCHRONOUS
    writes: int = 1

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

    def stamp(self, word: str) -> str:
        """A time of day, as far as anybody compares it."""
        return f"{word} {self.writes}"

    def _next(self) -> str:
        self.writes += 1
        return str(self.writes)
