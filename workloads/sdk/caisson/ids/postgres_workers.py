"""Worker ids in a table of PostgreSQL: one row each, changed by compare-and-set on its owner.

The store's clock is `clock_timestamp()`. Rows are made as worker ids are needed, so their numbers have no gaps.
"""

import secrets
from dataclasses import asdict

from caisson.errors import NoWorkerId
from caisson.ids.grants import Grant, LeaseLost, RollbackReport
from caisson.ids.postgres_session import PostgresSession

_STORE_MS = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_LEASE = "clock_timestamp() + %(lease_ms)s * interval '1 millisecond'"
RECYCLE = f"""
WITH free AS (
    SELECT worker, reserved_until AS mark FROM caisson.id_workers
    WHERE space = %(space)s AND worker < %(workers)s
      AND lease_until <= clock_timestamp() AND reserved_until <= least(%(now_ms)s, {_STORE_MS})
    ORDER BY reserved_until LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE caisson.id_workers AS mine SET owner = %(owner)s, lease_until = {_LEASE}, reserved_until = %(until_ms)s
FROM free WHERE space = %(space)s AND mine.worker = free.worker
RETURNING mine.worker, free.mark
"""
BEGIN = f"""
INSERT INTO caisson.id_workers (space, worker, owner, lease_until, reserved_until)
SELECT %(space)s, count(*), %(owner)s, {_LEASE}, %(until_ms)s FROM caisson.id_workers WHERE space = %(space)s
HAVING count(*) < %(workers)s
ON CONFLICT DO NOTHING RETURNING worker
"""
EXTEND = f"""
UPDATE caisson.id_workers SET lease_until = {_LEASE}, reserved_until = greatest(reserved_until, %(until_ms)s)
WHERE space = %(space)s AND worker = %(worker)s AND owner = %(owner)s RETURNING reserved_until
"""
RELEASE = """
UPDATE caisson.id_workers SET lease_until = least(lease_until, clock_timestamp())
WHERE space = %(space)s AND worker = %(worker)s AND owner = %(owner)s
"""
REPORT = """
INSERT INTO caisson.id_rollbacks (space, worker, teller, times, furthest_ms, seen_at)
VALUES (%(space)s, %(worker)s, %(teller)s, %(times)s, %(furthest_ms)s, clock_timestamp() - %(ago_ms)s * interval '1 millisecond')
ON CONFLICT (space, worker) DO UPDATE SET teller = excluded.teller, times = excluded.times,
    furthest_ms = excluded.furthest_ms, seen_at = excluded.seen_at
"""
COUNT_LEASED = "SELECT count(*) FROM caisson.id_workers WHERE space = %(space)s AND lease_until > clock_timestamp()"
IS_FULL = "SELECT count(*) >= %(workers)s FROM caisson.id_workers WHERE space = %(space)s"


class PostgresWorkers:
    """See caisson.ids.grants.WorkerStore."""

    def __init__(self, session: PostgresSession, space: str, workers: int) -> None:
        self._session = session
        self._space = space
        self._workers = workers

    def claim(self, now_ms: int, reserve_ms: int) -> Grant:
        """A worker id that was used before, the longest unused first; else one that never was."""
        owner, until_ms = secrets.token_hex(16), now_ms + reserve_ms
        asked: dict[str, object] = {"owner": owner, "now_ms": now_ms, "until_ms": until_ms, "lease_ms": reserve_ms}
        while True:
            for worker, mark in self._ask(RECYCLE, **asked):
                return Grant(worker, owner, max(mark, now_ms), until_ms)
            for (worker,) in self._ask(BEGIN, **asked):
                return Grant(worker, owner, now_ms, until_ms)
            if self._ask(IS_FULL)[0][0]:
                raise NoWorkerId(
                    f"all {self._workers} worker ids of {self._space!r} are leased, or were reserved past this moment "
                    f"(Unix time {now_ms} ms)"
                )

    def extend(self, grant: Grant, until_ms: int, lease_ms: int) -> Grant:
        asked = {"worker": grant.worker, "owner": grant.owner, "until_ms": until_ms, "lease_ms": lease_ms}
        for (mark,) in self._ask(EXTEND, **asked):
            return Grant(grant.worker, grant.owner, grant.from_ms, mark)
        raise LeaseLost(f"worker id {grant.worker} of {self._space!r} has another owner by now")

    def release(self, grant: Grant) -> None:
        self._ask(RELEASE, worker=grant.worker, owner=grant.owner)

    def report_rollback(self, grant: Grant, report: RollbackReport) -> None:
        self._ask(REPORT, worker=grant.worker, **asdict(report))

    def count_leased(self) -> int:
        return self._ask(COUNT_LEASED)[0][0]

    def close(self) -> None:
        self._session.close()

    def _ask(self, statement: str, **asked: object) -> list[tuple[int, ...]]:
        return self._session.ask(statement, {"space": self._space, "workers": self._workers, **asked})
