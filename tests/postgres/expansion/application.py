"""One process of the load: threads that write and read through one client of the SDK until they are told to stop."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

import psycopg

import caisson
import caisson.map_source
import caisson.reading
import caisson.transaction
from caisson.bucket import bucket_function
from postgres.clusters import Cluster
from postgres.expansion.driver import BUCKETS
from postgres.expansion.ledger import Found, Outcome, Read, Row, Write

FIRST_SEQ = 10_000_000  # of the load's own rows; a writer's are multiples of it
HOLD = "app.hold"


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How much, of what, and with which guards.

    `deaf_processes` hear no NOTIFY: they learn only by being refused. With `hold_seconds` all write the same few rows, and
    while `Shared.is_holding` is set the deaf do it in COMMITs that take that long. `from_bucket`: no lower one is written to.
    """

    binding: Path = Path()
    processes: int = 2
    writers: int = 3  # a process
    readers: int = 1
    tails: int = 48
    rows_per_tail: int = 20
    seed: int = 1
    pause_seconds: float = 0.004
    timeout_seconds: float = 40.0
    deaf_processes: int = 1
    hold_seconds: float = 0.0
    has_check: bool = True
    from_bucket: int = 0

    def tail_names(self) -> list[str]:
        bucket = bucket_function(("text",), BUCKETS)
        fitting = (name for name in map("N{:04d}".format, count()) if bucket(name) >= self.from_bucket)
        return list(islice(fitting, self.tails))


def first_key_of(bucket: int) -> str:
    function = bucket_function(("text",), BUCKETS)
    return next(name for name in map("K{}".format, count()) if function(name) == bucket)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the processes share. `floors` counts the acknowledged increments of each tail's shared counter."""

    is_stopped: Any
    is_holding: Any
    acknowledged: Any
    floors: Any
    ready: Any


def run_application(number: int, options: LoadOptions, shared: Shared, results: Any) -> None:
    """The process: ends when `shared.is_stopped` is set, and puts (writes, reads) into `results`."""
    if not options.has_check:
        drop_the_check()
    if number < options.deaf_processes:
        deafen()
    size = options.writers + options.readers + 1
    with caisson.ShardedDatabase.connect(
        binding=options.binding, timeout=options.timeout_seconds, pool_size=size
    ) as database:
        first = 1 + number * options.writers
        is_deaf = number < options.deaf_processes
        writers = [Writer(database, options, shared, first + turn, is_deaf) for turn in range(options.writers)]
        readers = [Reader(database, options, shared, first + turn) for turn in range(options.readers)]
        work = [each.run for each in writers] + [each.run for each in readers]
        threads = [threading.Thread(target=run) for run in work]
        for thread in threads:
            thread.start()
        shared.ready.release()
        for thread in threads:
            thread.join()
    results.put(
        ([write for each in writers for write in each.writes], [read for each in readers for read in each.reads])
    )


def drop_the_check() -> None:
    """The control: a client that does not look at the gates after its statements."""
    for module in (caisson.transaction, caisson.reading):
        module.gate_check = lambda placements: "SELECT 1"  # type: ignore[attr-defined]


def deafen() -> None:
    """A client whose NOTIFY gets lost: it reads the map again only when it was refused."""

    def wait_for_bell(self: caisson.map_source.Listener, connection: object) -> None:
        self._bell.recv(4096)

    caisson.map_source.Listener._wait_for_bell = wait_for_bell  # type: ignore[method-assign]


@dataclass
class Writer:
    """One thread that writes. `number` is unique over the load and begins at 1."""

    database: caisson.ShardedDatabase
    options: LoadOptions
    shared: Shared
    number: int
    is_deaf: bool
    writes: list[Write] = field(default_factory=list)
    _own: list[Row] = field(default_factory=list)

    def run(self) -> None:
        self._random = random.Random(self.options.seed * 1000 + self.number)
        self._seq = self.number * FIRST_SEQ
        self._tails = self.options.tail_names()
        kinds = [self._insert, self._upsert, self._update, self._read_modify_write, self._snapshot, self._delete]
        if self.options.hold_seconds:
            kinds = [self._hold_or_update if self.is_deaf else self._update_at_once]
        while not self.shared.is_stopped.is_set():
            self._seq += 1
            self._random.choice(kinds)(self._random.choice(self._tails))
            time.sleep(self._random.random() * 2 * self.options.pause_seconds)

    def _insert(self, tail: str) -> None:
        """Half of them under an idempotency key: their outcome can never be unknown."""
        row = (tail, self._seq)
        key = f"{self.number}-{self._seq}" if self._random.random() < 0.5 else None
        statement = "INSERT INTO flights VALUES (%s, %s, 'a')"
        outcome = self._try(
            lambda: self.database.execute(statement, row, key=tail, idempotency_key=key), inserted=(row,)
        )
        if outcome is Outcome.ACKNOWLEDGED:
            self._own.append(row)

    def _delete(self, tail: str) -> None:
        if not self._own:
            return
        row = self._own.pop(self._random.randrange(len(self._own)))
        statement = "DELETE FROM flights WHERE tailnum = %s AND seq = %s"
        self._try(lambda: self.database.execute(statement, row, key=row[0]), deleted=(row,))

    def _upsert(self, tail: str) -> None:
        statement = """INSERT INTO flights AS f VALUES (%s, %s, '1')
            ON CONFLICT (tailnum, seq) DO UPDATE SET payload = (f.payload::bigint + 1)::text"""
        params = (tail, -self.number)
        self._try(lambda: self.database.execute(statement, params, key=tail), incremented=((tail, self.number),))

    def _update(self, tail: str) -> None:
        statement = "UPDATE planes SET seats = seats + 1 WHERE tailnum = %s"
        self._try(lambda: self.database.execute(statement, (tail,), key=tail), incremented=((tail, 0),))

    def _read_modify_write(self, tail: str) -> None:
        def work(tx: caisson.Transaction) -> None:
            rows = tx.fetch("SELECT seats FROM planes WHERE tailnum = %s FOR UPDATE", (tail,))
            seats = rows[0][0] + 1 if rows else -1
            tx.execute("UPDATE planes SET seats = %s WHERE tailnum = %s", (seats, tail))

        self._try(lambda: self.database.run(tail, work), incremented=((tail, 0),))

    def _snapshot(self, tail: str) -> None:
        """REPEATABLE READ, with a pause in which the bucket may leave."""
        row = (tail, self._seq)

        def work(tx: caisson.Transaction) -> None:
            tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            tx.fetch("SELECT count(*) FROM flights WHERE tailnum = %s", (tail,))
            time.sleep(self._random.random() * 0.02)
            tx.execute("UPDATE planes SET seats = seats + 1 WHERE tailnum = %s", (tail,))
            tx.execute("INSERT INTO flights VALUES (%s, %s, 's')", row)

        self._try(lambda: self.database.run(tail, work), inserted=(row,), incremented=((tail, 0),))

    def _update_at_once(self, tail: str) -> None:
        """Passes by rows that others hold, so that it goes on writing next to held commits."""

        def work(tx: caisson.Transaction) -> None:
            tx.fetch("SELECT FROM planes WHERE tailnum = %s FOR UPDATE NOWAIT", (tail,))
            tx.execute("UPDATE planes SET seats = seats + 1 WHERE tailnum = %s", (tail,))

        self._try(lambda: self.database.run(tail, work), incremented=((tail, 0),))

    def _hold_or_update(self, tail: str) -> None:
        (self._hold if self.shared.is_holding.is_set() else self._update_at_once)(tail)

    def _hold(self, tail: str) -> None:
        """A COMMIT that takes long: a deferred trigger of the application's works at its beginning (see HELD_COMMITS)."""

        def work(tx: caisson.Transaction) -> None:
            tx.execute(f"SET LOCAL {HOLD} = '{self.options.hold_seconds}'")
            tx.execute("UPDATE planes SET seats = seats + 1 WHERE tailnum = %s", (tail,))

        self._try(lambda: self.database.run(tail, work), incremented=((tail, 0),))

    def _try(self, work: Callable[[], object], **meant: Any) -> Outcome:
        detail = ""
        try:
            work()
            outcome = Outcome.ACKNOWLEDGED
        except psycopg.errors.LockNotAvailable:
            return Outcome.REFUSED
        except caisson.OutcomeUnknown as error:
            outcome, detail = Outcome.UNKNOWN, repr(error)
        except (caisson.Error, psycopg.Error) as error:
            outcome, detail = Outcome.FAILED, repr(error)
        self.writes.append(Write(outcome, detail=detail, **meant))
        if outcome is Outcome.ACKNOWLEDGED:
            self._acknowledge(meant.get("incremented", ()))
        return outcome

    def _acknowledge(self, incremented: Sequence[tuple[str, int]]) -> None:
        with self.shared.acknowledged.get_lock():
            self.shared.acknowledged.value += 1
        for tail, writer in incremented:
            if writer == 0:
                with self.shared.floors.get_lock():
                    self.shared.floors[self._tails.index(tail)] += 1


@dataclass
class Reader:
    """One thread that reads: strong reads of shared counters, and now and then all shards at once."""

    database: caisson.ShardedDatabase
    options: LoadOptions
    shared: Shared
    number: int
    reads: list[Read] = field(default_factory=list)

    def run(self) -> None:
        chance = random.Random(-self.number)
        self._tails = self.options.tail_names()
        while not self.shared.is_stopped.is_set():
            if chance.random() < 0.1:
                self._scatter()
            else:
                self._fetch(chance.randrange(self.options.tails))
            time.sleep(chance.random() * 2 * self.options.pause_seconds)

    def _fetch(self, place: int) -> None:
        tail, floor = self._tails[place], self.shared.floors[place]
        try:
            rows = self.database.fetch("SELECT seats FROM planes WHERE tailnum = %s", (tail,), key=tail)
        except (caisson.Error, psycopg.Error) as error:
            self.reads.append(Read(f"{tail}: {error!r}", None, floor))
            return
        self.reads.append(Read(tail, rows[0][0] if rows else None, floor))

    def _scatter(self) -> None:
        wanted = self.options.tails
        try:
            parts = self.database.scatter("SELECT count(*) FROM planes")
        except (caisson.Error, psycopg.Error) as error:
            self.reads.append(Read(f"scatter: {error!r}", None, wanted))
            return
        self.reads.append(Read("scatter", sum(part.rows[0][0] for part in parts), wanted, wanted))


def read_found(clusters: Sequence[Cluster]) -> Found:
    """What the shards' tables hold: only attached leaves count, as for any client."""
    found = Found()
    for cluster in clusters:
        with cluster.connect() as connection:
            found.rows.update(connection.execute("SELECT tailnum, seq FROM flights WHERE seq >= 0").fetchall())
            for tail, writer, value in connection.execute(TALLIES).fetchall():
                found.tallies[(tail, writer)].append(value)
    return found


TALLIES = """
SELECT tailnum, -seq, payload::bigint FROM flights WHERE seq < 0 UNION ALL SELECT tailnum, 0, seats FROM planes
"""

# A migration of an application whose COMMIT takes as long as `app.hold` says (in seconds).
HELD_COMMITS = f"""
CREATE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_sleep(coalesce(nullif(current_setting('{HOLD}', true), ''), '0')::float); RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER hold AFTER UPDATE ON planes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold_commit();
"""
