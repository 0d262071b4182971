"""A process that counts under locks, over and over, and never asks whether it still holds: `python -m coordination.rival`.

It reads, thinks now and then, and writes what it has read plus one, each in a transaction of its own. The write leaves a
record behind, so that counts and records tell how many acknowledged updates are lost. Its tokens go to a file.
"""

import json
import random
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

import caisson

THINKING_SHARE = 0.02
THINKING_SECONDS = 0.05
TIMEOUT_SECONDS = 60.0
READ = "SELECT n FROM flights WHERE tailnum = %s AND id = 0"
WRITE = "UPDATE flights SET n = %s WHERE tailnum = %s AND id = 0"
RECORD = "INSERT INTO flights VALUES (%s, nextval('records'), %s)"


@dataclass(frozen=True, slots=True)
class Orders:
    """What a rival is to do until it is killed: take the locks of `keys`, chosen at random."""

    seed: int
    binding: str
    dsn: str
    tokens: str
    keys: list[str]
    is_fenced: bool
    thinking_share: float
    """Of the acquisitions in which it thinks between reading and writing."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "coordination.rival", json.dumps(asdict(self))]


def main(orders: Orders) -> None:
    """A store that is away as the rival begins is asked again."""
    while True:
        with suppress(caisson.Unavailable):
            compete(orders)


def compete(orders: Orders) -> None:
    dice = random.Random(orders.seed)
    with (
        caisson.DistributedLock.connect(binding=orders.binding) as locks,
        caisson.ShardedDatabase.connect(dsn=orders.dsn, timeout=TIMEOUT_SECONDS) as db,
        open(orders.tokens, "a", buffering=1) as tokens,
    ):
        while True:
            key = dice.choice(orders.keys)
            try:
                with locks.lock(key).hold(timeout=TIMEOUT_SECONDS) as held:
                    tokens.write(f"{key} {held.token}\n")
                    thinking = THINKING_SECONDS if dice.random() < orders.thinking_share else 0.0
                    count(db, key, held.token, held if orders.is_fenced else None, thinking)
            except (caisson.LockLost, caisson.FencedOff, caisson.Unavailable):
                continue


def count(
    db: caisson.ShardedDatabase, key: str, token: int, fence: caisson.Held | None, thinking_seconds: float
) -> None:
    """One acknowledged update, unless something is raised."""
    seen = int(db.run(key, lambda tx: tx.fetch(READ, (key,))[0][0], table="flights", fence=fence))
    time.sleep(thinking_seconds)

    def write(tx: caisson.Transaction) -> None:
        tx.execute(WRITE, (seen + 1, key))
        tx.execute(RECORD, (key, str(token)))

    db.run(key, write, table="flights", fence=fence)


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
