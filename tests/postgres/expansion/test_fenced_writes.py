"""Fences through a real expansion: raised before it, and again while the copies follow, none goes back on the new shard."""

import threading
from pathlib import Path

import pytest

import caisson
from caisson.fence import Fence
from postgres.expansion.leftovers import must_be_settled
from postgres.expansion.stage import set_stage

KEYS = [f"N{number}" for number in range(40)]


class Held:
    """A hold of a lock of the key's name, with a token that the test says."""

    def __init__(self, key: str, token: int) -> None:
        self._fence = Fence(f"demo/jobs:{key}", token)

    def fences(self) -> tuple[Fence, ...]:
        return (self._fence,)


def write(db: caisson.ShardedDatabase, key: str, token: int) -> None:
    def insert(tx: caisson.Transaction) -> None:
        tx.execute("INSERT INTO flights VALUES (%s, %s, 'x')", (key, token))

    db.run(key, insert, table="flights", fence=Held(key, token))


class Writer(threading.Thread):
    """Writes to every key with a token that rises each round."""

    def __init__(self, db: caisson.ShardedDatabase) -> None:
        super().__init__()
        self.token = 0
        self.must_end = threading.Event()
        self._db = db

    def run(self) -> None:
        while not self.must_end.is_set():
            self.token += 1
            for key in KEYS:
                write(self._db, key, self.token)


def test_no_fence_goes_back_when_its_bucket_moves(tmp_path: Path) -> None:
    with set_stage(tmp_path) as stage, caisson.ShardedDatabase.connect(binding=stage.binding, timeout=60) as db:
        writer = Writer(db)
        writer.start()
        try:
            stage.expand()
        finally:
            writer.must_end.set()
            writer.join()
        must_be_settled(stage.clusters)
        assert writer.token > 1
        assert {placement.shard for placement in db.shard_map.placements.values()} == {"s0", "s1"}
        for key in KEYS:
            with pytest.raises(caisson.FencedOff):
                write(db, key, writer.token - 1)
            write(db, key, writer.token + 1)
