"""One member's way to the store: what its watch has shown it, and what becomes of its requests.

Patroni (patroni/dcs/kubernetes.py) reads from a cache that a watch keeps: one that has gone deaf shows what was, and only one that is
known to be broken fails. What it has written itself, or read again after a conflict, is in that cache at once.
"""

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum

from early_expiry.records import LeaderRecord

from .store import Store, Target, Write


class Unanswered(Exception):
    """Nothing is known of what the store has done."""


class Watching(StrEnum):
    CURRENT = "current"
    DEAF = "deaf"
    BROKEN = "broken"


class Requests(StrEnum):
    ANSWERED = "answered"
    LATE = "late"  # They arrive some time, when nobody waits for the answer any more.
    LOST = "lost"


@dataclass
class Connection:
    store: Store
    is_sync_prompt: bool = True
    watching: Watching = Watching.CURRENT
    requests: Requests = Requests.ANSWERED
    # Whether a conflict leaves time to look whose record it is.
    has_time: bool = True

    def __post_init__(self) -> None:
        self.record, self.sync, self.timeline = self.store.record, self.store.sync, self.store.timeline

    def mend(self) -> None:
        self.watching, self.requests, self.has_time = Watching.CURRENT, Requests.ANSWERED, True

    def load(self) -> None:
        """Raises Unanswered."""
        if self.watching == Watching.BROKEN:
            raise Unanswered
        self.look()

    def look(self) -> None:
        if self.watching == Watching.CURRENT:
            self.record, self.sync = self.store.record, self.store.sync
            self.timeline = self.store.timeline

    def read_leader(self) -> LeaderRecord:
        """From the store itself. Raises Unanswered."""
        if self.requests != Requests.ANSWERED:
            raise Unanswered
        self.record = self.store.record
        return self.record

    def request(self, write: Write) -> bool:
        """Raises Unanswered; what is late is on its way then."""
        if self.requests == Requests.ANSWERED:
            return self.store.carry_out(write)
        if self.requests == Requests.LATE:
            self._send(write)
        raise Unanswered

    def write(self, write: Write) -> bool:
        """By Patroni, which remembers what it has written. Raises Unanswered."""
        is_written = self.request(write)
        if is_written and write.target == Target.LEADER:
            self.record = self.store.record
        elif is_written:
            self.sync = self.store.sync
        return is_written

    def write_patiently(self, write: Write) -> Generator[str, None, bool]:
        """Once more if there was no answer, which may then be a conflict with the first try. Raises Unanswered."""
        try:
            return self.write(write)
        except Unanswered:
            yield "not answered"
            return self.write(write)

    def write_sync(self, version: str, **changes: object) -> Generator[str, None, bool]:
        """Patroni makes no difference there: what was not answered has failed."""
        try:
            return (yield from self.write_patiently(Write(Target.SYNC, version, changes)))
        except Unanswered:
            return False

    def write_timeline(self, timeline: int) -> None:
        """Patroni does not ask whether it was; its next cycle looks."""
        if self.requests == Requests.ANSWERED:
            self.timeline = self.store.timeline = max(timeline, self.store.timeline)

    def _send(self, write: Write) -> None:
        """A prompt one is carried out, and the watch shows it, though its answer is lost."""
        if write.target == Target.SYNC and self.is_sync_prompt:
            self.store.carry_out(write)
            self.sync = self.store.sync
        else:
            self.store.in_flight.append(write)
