"""One process of a storm: several workers, a thread each, whose clocks jump and who write down every id they got.

`python -m postgres.ids.storm_worker '{"kind": "caisson", ...}'`. An id counts once it is in the file; what dies with the
process was given to nobody.
"""

import json
import random
import sys
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

SECOND_NS = 1_000_000_000
OFFSETS_NS = [0, 0, 0, 0, -100_000_000, -900_000_000, 400_000_000, -3600 * SECOND_NS, 3600 * SECOND_NS]
JUMP_CHANCE = 0.02
REOPEN_SECONDS = 0.05


@dataclass(slots=True)
class Wall:
    """A wall clock that is off."""

    off_ns: int

    def ns(self) -> int:
        return time.time_ns() + self.off_ns


class Allocator(Protocol):
    def take(self, count: int) -> list[int]:
        """Raises Refused."""
        ...

    def close(self) -> None: ...


class Refused(Exception):
    """No ids now; the application starts its allocator anew."""


class Ours:
    """IdAllocator, with a worker id that nobody chose."""

    def __init__(self, order: dict[str, Any], slot: int, wall: Wall) -> None:
        import caisson
        from caisson.ids.clock import Clocks

        self._refusal = caisson.Error
        clocks = Clocks(wall.ns, time.monotonic_ns, time.sleep)
        try:
            self._ids = caisson.IdAllocator.connect(
                dsn=order["dsn"], space=order["space"], reserve=2.0, timeout=0.5, clocks=clocks
            )
        except caisson.Error as error:
            raise Refused from error

    def take(self, count: int) -> list[int]:
        try:
            return self._ids.take(count)
        except self._refusal as error:
            raise Refused from error

    def close(self) -> None:
        self._ids.close()


class Common:
    """The package snowflake-id, each worker with a number of its own that somebody was careful to choose."""

    def __init__(self, order: dict[str, Any], slot: int, wall: Wall) -> None:
        import snowflake.snowflake as library

        _walls.wall = wall
        library.time = lambda: _walls.wall.ns() / SECOND_NS
        self._next = library.SnowflakeGenerator(slot).__next__

    def take(self, count: int) -> list[int]:
        deadline = time.monotonic() + 0.5
        ids: list[int] = []
        while len(ids) < count:
            id = self._next()
            if id is not None:
                ids.append(id)
            elif time.monotonic() > deadline:
                raise Refused
        return ids

    def close(self) -> None:
        """Nothing is open."""


_walls = threading.local()
KINDS: dict[str, Callable[[dict[str, Any], int, Wall], Allocator]] = {"caisson": Ours, "common": Common}


def work(order: dict[str, Any], slot: int, die: threading.Event) -> None:
    chance = random.Random(f"{order['seed']}-{slot}")
    wall = Wall(chance.choice(OFFSETS_NS[:6]))
    with Path(order["folder"], f"{slot}-{order['seed']}").open("wb") as file:
        while not die.is_set():
            try:
                allocator = KINDS[order["kind"]](order, slot, wall)
            except Refused:
                wall.off_ns = 0
                time.sleep(REOPEN_SECONDS)
                continue
            try:
                use(allocator, order, chance, wall, file)
            except Refused:
                wall.off_ns = chance.choice(OFFSETS_NS[:6])
            allocator.close()


def use(allocator: Allocator, order: dict[str, Any], chance: random.Random, wall: Wall, file: Any) -> None:
    """Until it is refused."""
    while True:
        file.write(array("q", allocator.take(order["batch"])).tobytes())
        file.flush()
        time.sleep(order["pause"])
        if chance.random() < JUMP_CHANCE:
            wall.off_ns = chance.choice(OFFSETS_NS)


def main(order: dict[str, Any]) -> None:
    """Runs until it is killed."""
    threads = [
        threading.Thread(target=work, args=(order, slot, threading.Event()), daemon=True) for slot in order["slots"]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
