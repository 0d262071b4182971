"""The SDK while buckets move: nothing lost, nothing doubled, no stale read, and controls that lose without the check."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

import caisson.map_source
import caisson.reading
import caisson.transaction
import caisson.view
from caisson import ShardedDatabase, Transaction
from caisson.connections import ShardConnection
from caisson.shard_map import ShardView
from postgres.clusters import running_clusters

from .shards import BUCKETS, Move, Shards

TAILS = [f"N{number:05d}" for number in range(40)]
MARKER = 777


@pytest.fixture(scope="module")
def shards() -> Iterator[Shards]:
    with running_clusters(2, {"fsync": "off"}) as clusters:
        shards = Shards(clusters)
        shards.install(lambda group, bucket: 0)
        yield shards


@pytest.fixture
def db(shards: Shards) -> Iterator[ShardedDatabase]:
    with ShardedDatabase.connect(dsn=shards.dsn(), timeout=20, pool_size=16) as database:
        bring_home(shards, database)
        for index in range(2):
            with shards.connect(index) as connection:
                connection.execute("DELETE FROM flights; DELETE FROM planes; DELETE FROM caisson.idempotency_aircraft")
        rows = [(tail, number, "x", 0) for tail in TAILS for number in (0, MARKER)]
        database.load("flights", ["tailnum", "id", "payload", "n"], rows, key="tailnum")
        yield database


def bring_home(shards: Shards, database: ShardedDatabase) -> None:
    for placement in list(database.shard_map.placements.values()):
        if placement.shard == "s1":
            shards.move(placement.bucket, 1, 0)


def bucket_of(db: ShardedDatabase, tail: str) -> int:
    return db.shard_map.bucket(db.shard_map.table("flights"), tail)


@dataclass
class Traffic:
    """Threads that work until told to stop, and what went wrong in them."""

    db: ShardedDatabase
    acknowledged: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, *workers: Callable[[Random], None]) -> None:
        for number, work in enumerate(workers):
            thread = threading.Thread(target=self._repeat, args=(work, Random(number)))
            self._threads.append(thread)
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work: Callable[[Random], None], random: Random) -> None:
        while not self._stop.is_set():
            try:
                work(random)
            except Exception as error:
                self.wrong.append(f"{work.__name__}: {error!r}")
                raise

    def update(self, random: Random) -> None:
        """Rows of its own for each writer, so that what it was acknowledged is what must be there."""
        tail = random.choice(TAILS)
        self.db.execute("UPDATE flights SET n = n + 1 WHERE tailnum = %s AND id = 0", (tail,), key=tail)
        with LOCK:
            self.acknowledged[tail] += 1

    def update_once(self, random: Random) -> None:
        tail, key = random.choice(TAILS), str(random.getrandbits(64))
        for _ in range(2):
            self.db.execute(
                "UPDATE flights SET n = n + 1 WHERE tailnum = %s AND id = 0", (tail,), key=tail, idempotency_key=key
            )
        with LOCK:
            self.acknowledged[tail] += 1

    def transact(self, random: Random) -> None:
        tail = random.choice(TAILS)

        def work(tx: Transaction) -> None:
            (n,) = tx.fetch("SELECT n FROM flights WHERE tailnum = %s AND id = 0 FOR UPDATE", (tail,))[0]
            tx.execute("UPDATE flights SET n = %s WHERE tailnum = %s AND id = 0", (n + 1, tail))

        self.db.run(tail, work)
        with LOCK:
            self.acknowledged[tail] += 1

    def read(self, random: Random) -> None:
        tail = random.choice(TAILS)
        before = self.acknowledged[tail]
        rows = self.db.fetch("SELECT n FROM flights WHERE tailnum = %s AND id = 0", (tail,), key=tail)
        if not rows or rows[0][0] < before:
            self.wrong.append(f"stale read of {tail}: {rows}, acknowledged {before}")
        self.counts["reads"] += 1

    def count(self, random: Random) -> None:
        results = self.db.scatter(f"SELECT count(*) FROM flights WHERE id = {MARKER}")
        total = sum(result.rows[0][0] for result in results)
        if total != len(TAILS):
            self.wrong.append(f"scatter counted {total} of {len(TAILS)}")
        self.counts["scatters"] += 1


LOCK = threading.Lock()


def totals(shards: Shards) -> Counter[str]:
    """Every row of id 0 on every shard, straight from the servers: a row on two shards would count twice."""
    found: Counter[str] = Counter()
    for index in range(2):
        with shards.connect(index) as connection:
            for tail, n in connection.execute("SELECT tailnum, n FROM flights WHERE id = 0"):
                assert tail not in found, f"{tail} is on two shards"
                found[tail] = n
    return found


def test_nothing_is_lost_doubled_or_stale_while_buckets_move(shards: Shards, db: ShardedDatabase) -> None:
    traffic = Traffic(db)
    traffic.begin(traffic.update, traffic.update_once, traffic.transact, traffic.read, traffic.read, traffic.count)
    try:
        for there, back in ((0, 1), (1, 0), (0, 1)):
            for bucket in range(BUCKETS):
                shards.move(bucket, there, back)
    finally:
        traffic.end()
    assert traffic.wrong == []
    assert totals(shards) == +traffic.acknowledged | Counter(dict.fromkeys(TAILS, 0))
    assert sum(traffic.acknowledged.values()) > 100
    assert traffic.counts["reads"] > 100
    assert traffic.counts["scatters"] > 5


def test_a_load_through_a_move_copies_every_row_once(shards: Shards, db: ShardedDatabase) -> None:
    rows = [(tail, 1000 + number) for number in range(2000) for tail in TAILS]
    loader = threading.Thread(target=lambda: db.load("flights", ["tailnum", "id"], rows, key="tailnum"))
    loader.start()
    while loader.is_alive():
        for bucket in range(BUCKETS):
            shards.move(bucket, 0, 1)
        for bucket in range(BUCKETS):
            shards.move(bucket, 1, 0)
    loader.join()
    results = db.scatter("SELECT count(*), count(DISTINCT (tailnum, id)) FROM flights WHERE id >= 1000")
    assert [sum(result.rows[0][column] for result in results) for column in (0, 1)] == [len(rows), len(rows)]


@dataclass
class Deafness:
    """A client that does not hear of moves: what it reads of the map is what it read at first."""

    is_deaf: bool = False
    views: dict[str, ShardView] = field(default_factory=dict)
    withheld: int = 0
    """How often the client has asked and was told what it knew already."""

    def read_view(self, connection: ShardConnection) -> ShardView:
        view = READ_VIEW(connection)
        if not self.is_deaf or view.shard not in self.views:
            self.views[view.shard] = view
        else:
            self.withheld += 1
        return self.views[view.shard]


READ_VIEW = caisson.view.read_view


@pytest.fixture
def deafness(monkeypatch: pytest.MonkeyPatch) -> Deafness:
    deafness = Deafness()
    monkeypatch.setattr(caisson.map_source, "read_view", deafness.read_view)
    return deafness


def without_check(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (caisson.transaction, caisson.reading):
        monkeypatch.setattr(module, "gate_check", lambda placements: "SELECT 1")


UPDATE = "UPDATE flights SET n = n + 1 WHERE tailnum = %s AND id = 0"
READ = "SELECT n FROM flights WHERE tailnum = %s AND id = 0"


def test_a_client_with_an_old_map_is_refused_until_it_hears(
    shards: Shards, deafness: Deafness, db: ShardedDatabase
) -> None:
    tail = TAILS[0]
    deafness.is_deaf = True
    shards.move(bucket_of(db, tail), 0, 1)
    with pytest.raises(caisson.Moved):
        db.execute(UPDATE, (tail,), key=tail, timeout=0.5)
    with pytest.raises(caisson.Moved):
        db.fetch(READ, (tail,), key=tail, timeout=0.5)
    hears = threading.Timer(0.5, lambda: setattr(deafness, "is_deaf", False))
    hears.start()
    assert db.execute(UPDATE, (tail,), key=tail).rowcount == 1
    assert db.fetch(READ, (tail,), key=tail) == [(1,)]
    hears.join()


def test_whatever_an_application_concludes_from_a_bucket_that_left_is_void(
    shards: Shards, deafness: Deafness, db: ShardedDatabase
) -> None:
    """A row not found, a division by its absence, an INSERT without a partition: none of these reaches the caller."""
    tail = TAILS[5]
    deafness.is_deaf = True
    shards.move(bucket_of(db, tail), 0, 1)

    def read_the_row(tx: Transaction) -> int:
        return int(tx.fetch(READ, (tail,))[0][0])

    def divide_by_the_rows(tx: Transaction) -> int:
        return int(tx.fetch("SELECT 1 / count(*) FROM flights WHERE tailnum = %s AND id = 0", (tail,))[0][0])

    for work in (read_the_row, divide_by_the_rows):
        with pytest.raises(caisson.Moved):
            db.run(tail, work, timeout=0.3)
    with pytest.raises(caisson.Moved):
        db.execute("INSERT INTO flights VALUES (%s, 5, 'x')", (tail,), key=tail, timeout=0.3)
    deafness.is_deaf = False
    assert db.run(tail, read_the_row) == 0
    assert db.run(tail, divide_by_the_rows) == 1


def test_a_touched_bucket_is_checked_like_the_first(shards: Shards, deafness: Deafness, db: ShardedDatabase) -> None:
    stays, leaves = TAILS[0], next(tail for tail in TAILS if bucket_of(db, tail) != bucket_of(db, TAILS[0]))
    deafness.is_deaf = True
    shards.move(bucket_of(db, leaves), 0, 1)

    def work(tx: Transaction, *touched: str) -> int:
        for key in touched:
            tx.touch(key)
        return sum(tx.execute(UPDATE, (tail,)).rowcount for tail in (stays, leaves))

    assert db.run(stays, work) == 1, "the control: undeclared, the other row is missed in silence"
    with pytest.raises(caisson.Moved):
        db.run(stays, lambda tx: work(tx, leaves), timeout=0.3)
    deafness.is_deaf = False
    shards.move(bucket_of(db, leaves), 1, 0)
    # It hears of both moves one after the other, and touches by what it knows.
    wait_until(lambda: db.shard_map.placements["aircraft", bucket_of(db, leaves)].shard == "s0")
    assert db.run(stays, lambda tx: work(tx, leaves)) == 2


def test_control_without_the_check_an_acknowledged_update_vanishes(
    shards: Shards, deafness: Deafness, db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = TAILS[1]
    without_check(monkeypatch)
    deafness.is_deaf = True
    shards.move(bucket_of(db, tail), 0, 1)
    assert db.execute(UPDATE, (tail,), key=tail).rowcount == 0, "acknowledged, and nothing was done"
    assert db.fetch(READ, (tail,), key=tail) == [], "a read that was let through, of a row that is elsewhere"
    assert totals(shards)[tail] == 0


def move_under_late_hearing(
    shards: Shards, db: ShardedDatabase, deafness: Deafness, is_felt: Callable[[Traffic], Callable[[], bool]]
) -> Traffic:
    """Three writers go on while a bucket leaves, and hear of it only once the move is felt."""
    traffic = Traffic(db)
    traffic.begin(traffic.update, traffic.update, traffic.update)
    try:
        deafness.is_deaf = True
        shards.move(bucket_of(db, TAILS[0]), 0, 1)
        deafness.withheld = 0
        wait_until(is_felt(traffic))
        deafness.is_deaf = False
        heard = sum(traffic.acknowledged.values())
        wait_until(lambda: sum(traffic.acknowledged.values()) > heard + 30)
    finally:
        traffic.end()
    return traffic


def test_updates_that_are_refused_until_the_client_hears_are_all_there(
    shards: Shards, deafness: Deafness, db: ShardedDatabase
) -> None:
    traffic = move_under_late_hearing(shards, db, deafness, lambda _: lambda: deafness.withheld > 10)
    assert traffic.wrong == []
    assert totals(shards) == +traffic.acknowledged | Counter(dict.fromkeys(TAILS, 0))


def test_control_without_the_check_updates_vanish_under_load(
    shards: Shards, deafness: Deafness, db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same load and the same late hearing: the checker is not blind."""
    without_check(monkeypatch)
    moved = [tail for tail in TAILS if bucket_of(db, tail) == bucket_of(db, TAILS[0])]

    def is_felt(traffic: Traffic) -> Callable[[], bool]:
        """More acknowledged to the moved rows than the three writers had under way: one began after the move."""
        before = sum(traffic.acknowledged[tail] for tail in moved)
        return lambda: sum(traffic.acknowledged[tail] for tail in moved) > before + 3

    traffic = move_under_late_hearing(shards, db, deafness, is_felt)
    found = totals(shards)
    assert all(traffic.acknowledged[tail] == found[tail] for tail in TAILS if tail not in moved)
    assert sum(traffic.acknowledged[tail] for tail in moved) > sum(found[tail] for tail in moved)


def test_scatter_waits_out_a_bucket_that_is_nowhere_and_counts_one_that_is_attached_twice(
    shards: Shards, db: ShardedDatabase
) -> None:
    move = Move(shards, "aircraft", bucket_of(db, TAILS[2]), 0, 1)
    question = f"SELECT count(*) FROM flights WHERE id = {MARKER}"
    with shards.connect(0) as source, shards.connect(1) as target:
        move.make_target_leaves(target)
        epoch = move.fence(source, target)
        with pytest.raises(caisson.ScatterIncomplete):
            db.scatter(question, timeout=0.5)
        move.raise_gate(source, epoch)
        move.open_target(target, epoch)
        assert sum(result.rows[0][0] for result in db.scatter(question)) == len(TAILS)
        naive = db.scatter(question, tables=[])
        assert sum(result.rows[0][0] for result in naive) > len(TAILS), "the control: attached twice, counted twice"
        move.detach(source)
    assert sum(result.rows[0][0] for result in db.scatter(question)) == len(TAILS)


def test_a_long_reader_that_delays_the_detach_does_not_stop_scatter(shards: Shards, db: ShardedDatabase) -> None:
    bucket = bucket_of(db, TAILS[3])
    with shards.connect(0) as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM flights")
        mover = threading.Thread(target=shards.move, args=(bucket, 0, 1))
        mover.start()
        wait_until(lambda: db.shard_map.placements["aircraft", bucket].shard == "s1")
        results = db.scatter(f"SELECT count(*) FROM flights WHERE id = {MARKER}", timeout=5)
        assert sum(result.rows[0][0] for result in results) == len(TAILS)
        assert mover.is_alive(), "the detach still waits"
        reader.execute("ROLLBACK")
        mover.join()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)
