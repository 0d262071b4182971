"""Stores of worker ids and of segments in memory, with a clock of their own, and with guards that a control may leave out.

What they do with their guards on is held to the real ones by tests/fakes/id_stores_contract.py.
"""

from dataclasses import dataclass, field

from caisson.errors import NoWorkerId
from caisson.ids.grants import Grant, LeaseLost, NotReachable, RollbackReport


@dataclass(slots=True)
class Row:
    owner: str
    lease_until_ms: int
    reserved_until_ms: int


@dataclass(slots=True)
class FakeCluster:
    """What all clients of one store see. `now_ms` is its clock, which tests move."""

    now_ms: int = 0
    workers: dict[int, Row] = field(default_factory=dict)
    rollbacks: dict[int, RollbackReport] = field(default_factory=dict)
    next_id: int = 1
    claims: int = 0
    keeps_marks: bool = True
    checks_owner: bool = True
    is_durable: bool = True


@dataclass(slots=True)
class FakeWorkers:
    """One client. `is_cut_off`: nothing gets through; `loses_answers`: what is asked is done, and nobody hears of it."""

    cluster: FakeCluster
    worker_ids: int
    is_cut_off: bool = False
    loses_answers: bool = False
    note_failure: Exception | None = None

    def claim(self, now_ms: int, reserve_ms: int) -> Grant:
        self._must_reach()
        for worker in range(self.worker_ids):
            row = self.cluster.workers.get(worker)
            if row is None or self._is_free(row, now_ms):
                return self._hear(self._give(worker, now_ms, reserve_ms))
        raise NoWorkerId("every worker id is taken")

    def extend(self, grant: Grant, until_ms: int, lease_ms: int) -> Grant:
        self._must_reach()
        row = self.cluster.workers[grant.worker]
        if self.cluster.checks_owner and row.owner != grant.owner:
            raise LeaseLost("somebody else's")
        row.lease_until_ms = self.cluster.now_ms + lease_ms
        row.reserved_until_ms = max(row.reserved_until_ms, until_ms)
        return self._hear(Grant(grant.worker, grant.owner, grant.from_ms, row.reserved_until_ms))

    def release(self, grant: Grant) -> None:
        self._must_reach()
        row = self.cluster.workers[grant.worker]
        if row.owner == grant.owner:
            row.lease_until_ms = min(row.lease_until_ms, self.cluster.now_ms)

    def report_rollback(self, grant: Grant, report: RollbackReport) -> None:
        self._must_reach()
        if self.note_failure:
            raise self.note_failure
        self.cluster.rollbacks[grant.worker] = report

    def count_leased(self) -> int:
        self._must_reach()
        return sum(row.lease_until_ms > self.cluster.now_ms for row in self.cluster.workers.values())

    def close(self) -> None:
        """Nothing is open."""

    def _is_free(self, row: Row, now_ms: int) -> bool:
        is_past = row.reserved_until_ms <= min(now_ms, self.cluster.now_ms)
        return row.lease_until_ms <= self.cluster.now_ms and (is_past or not self.cluster.keeps_marks)

    def _give(self, worker: int, now_ms: int, reserve_ms: int) -> Grant:
        self.cluster.claims += 1
        owner, until_ms = f"owner-{self.cluster.claims}", now_ms + reserve_ms
        self.cluster.workers[worker] = Row(owner, self.cluster.now_ms + reserve_ms, until_ms)
        return Grant(worker, owner, now_ms, until_ms)

    def _must_reach(self) -> None:
        if self.is_cut_off:
            raise NotReachable("cut off")

    def _hear(self, grant: Grant) -> Grant:
        if self.loses_answers:
            raise NotReachable("the answer was lost")
        return grant


@dataclass(slots=True)
class FakeSegments:
    """One client of the row `next_id`."""

    cluster: FakeCluster
    is_cut_off: bool = False
    loses_answers: bool = False

    def fetch(self, count: int) -> range:
        if self.is_cut_off:
            raise NotReachable("cut off")
        first = self.cluster.next_id
        if self.cluster.is_durable:
            self.cluster.next_id += count
        if self.loses_answers:
            raise NotReachable("the answer was lost")
        return range(first, first + count)

    def close(self) -> None:
        """Nothing is open."""
