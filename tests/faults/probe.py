"""The workload of a round, in a pod: `python -m faults.probe sdk ROUND` or `python -m faults.probe pinned ROUND HOST`.

`sdk` is an application: it writes a row each 20 ms by `db.run` and reads its latest row strongly. `pinned` is what an
application must never be: it writes and reads by plain connections to one address, whoever leads.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from itertools import count

import psycopg

import caisson
from faults.records import PINNED, SDK, Outcome, Read, Write, read_line, write_line
from flights.clock import Clock
from flights.direct import read_binding

WRITE_SECONDS, READ_SECONDS, PINNED_SECONDS, AGAIN_SECONDS = 0.02, 0.05, 0.05, 0.2
INSERT = """
    INSERT INTO writes (key, number) VALUES (%s, %s)
    RETURNING ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
"""
LATEST = "SELECT coalesce(max(number), 0) FROM writes WHERE key = %s"
LATEST_OF_PRIMARY = LATEST + " HAVING NOT pg_is_in_recovery()"  # A standby may lag, and does not say that it leads.
CUT_OFF = "01000"  # The warning with which a commit that its standby has not confirmed is reported as a success.

clock = Clock.start()
printing = threading.Lock()


def log(line: str) -> None:
    with printing:
        print(line, flush=True)


def forever(name: str, seconds: float, work: Callable[[int], None]) -> None:
    """One thread: `work` with 1, 2, 3... and a pause between the calls.

    An error that `work` does not foresee ends the whole probe: one that went on without its reader would look well.
    """

    def run() -> None:
        try:
            for number in count(1):
                work(number)
                time.sleep(seconds)
        except Exception:  # noqa: BLE001 - whatever it is, it is told, and ends the round
            traceback.print_exc()
            os._exit(1)

    threading.Thread(target=run, name=name).start()


def run_sdk(round_: str) -> None:
    database, key = caisson.ShardedDatabase.connect("writes"), f"{round_}-{SDK}"

    def write(number: int) -> None:
        started, timeline = clock.now(), 0
        try:
            timeline = database.run(
                key, lambda tx: tx.execute(INSERT, (key, number)).rows[0][0], idempotency_key=f"{key}-{number}"
            )
            outcome = Outcome.ACKNOWLEDGED
        except caisson.OutcomeUnknown as error:
            outcome = tell(Outcome.UNKNOWN, error)
        except (caisson.Error, psycopg.Error) as error:
            outcome = tell(Outcome.FAILED, error)
        log(write_line(Write(SDK, number, timeline, started, clock.now(), outcome)))

    def read(_: int) -> None:
        started, value = clock.now(), 0
        try:
            value = database.fetch(LATEST, (key,), key=key, consistency="strong")[0][0]
            outcome = Outcome.ACKNOWLEDGED
        except (caisson.Error, psycopg.Error) as error:
            outcome = tell(Outcome.FAILED, error)
        log(read_line(Read(SDK, value, started, clock.now(), outcome)))

    forever("writer", WRITE_SECONDS, write)
    forever("reader", READ_SECONDS, read)


def tell(outcome: Outcome, error: Exception) -> Outcome:
    log(f"# {outcome}: {type(error).__name__}: {error}")
    return outcome


class Pinned:
    """One connection to one address, made anew whenever it breaks."""

    def __init__(self, host: str) -> None:
        self._host, self._binding = host, read_binding("writes")
        self._connection: psycopg.Connection | None = None
        self._warnings: list[str] = []

    def execute(self, sql: str, parameters: tuple[object, ...]) -> tuple[int | None, bool]:
        """The number that was answered, if any was, and whether it came without a warning."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        self._warnings.clear()
        row = self._connection.execute(sql, parameters).fetchone()
        return int(row[0]) if row else None, CUT_OFF not in self._warnings

    def is_broken(self) -> bool:
        return self._connection is None or self._connection.closed

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(
            host=self._host, dbname=self._binding.database, user=self._binding.username,
            password=self._binding.password, connect_timeout=2, autocommit=True,
        )  # fmt: skip
        connection.add_notice_handler(lambda notice: self._warnings.append(notice.sqlstate or ""))
        return connection


def run_pinned(round_: str, host: str) -> None:
    writing, reading = Pinned(host), Pinned(host)

    def write(number: int) -> None:
        started, timeline = clock.now(), 0
        try:
            answer, is_sure = writing.execute(INSERT, (f"{round_}-{PINNED}", number))
            timeline = answer or 0
            outcome = Outcome.ACKNOWLEDGED if is_sure else Outcome.UNKNOWN
        except psycopg.Error as error:
            outcome = tell(Outcome.UNKNOWN if writing.is_broken() else Outcome.FAILED, error)
            time.sleep(AGAIN_SECONDS)
        log(write_line(Write(PINNED, number, timeline, started, clock.now(), outcome)))

    def read(_: int) -> None:
        started = clock.now()
        try:
            value, _ = reading.execute(LATEST_OF_PRIMARY, (f"{round_}-{SDK}",))
        except psycopg.Error:
            time.sleep(AGAIN_SECONDS)  # The writer tells.
        else:
            if value is not None:
                log(read_line(Read(PINNED, value, started, clock.now())))

    forever("writer", PINNED_SECONDS, write)
    forever("reader", PINNED_SECONDS, read)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [role, name] if role == SDK:
            run_sdk(name)
        case [role, name, address] if role == PINNED:
            run_pinned(name, address)
        case _:
            sys.exit(__doc__)
