"""Watches what every shard claims, beside the SDK, so that the checker knows when which bucket moved, and between whom.

It listens on `caisson_map`, as clients do, and reads again every second in case a notification was missed.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread
from typing import TextIO

import psycopg

from flights.clock import Clock
from flights.direct import Binding, all_shards, connect
from flights.records import MapChange, map_line

LISTEN = "LISTEN caisson_map"
READ_CLAIMS = (
    "SELECT m.bucket, m.epoch FROM caisson.shard_map m, caisson.identity i"
    " WHERE m.owner = i.shard AND m.table_group = %s"
)
REREAD_SECONDS = 1.0


def changes_between(before: dict[int, int], after: dict[int, int], shard: str, at: float) -> list[MapChange]:
    """What one shard has won or lost between two looks at its claims (bucket -> epoch)."""
    won = [MapChange(at, shard, bucket, epoch, True) for bucket, epoch in after.items() if before.get(bucket) != epoch]
    lost = [MapChange(at, shard, bucket, before[bucket], False) for bucket in before.keys() - after.keys()]
    return won + lost


@dataclass(slots=True)
class ShardWatch:
    """One thread for one shard."""

    shard: str
    address: tuple[str, int]
    binding: Binding
    group: str
    clock: Clock
    log: TextIO
    claims: dict[int, int] = field(default_factory=dict)

    def run(self, is_stopped: Callable[[], bool], wait: Callable[[float], bool]) -> None:
        while not is_stopped():
            try:
                self.follow(is_stopped)
            except (
                psycopg.Error
            ) as error:  # One that is being promoted refuses to LISTEN, which is no OperationalError.
                print(f"watching the map of {self.shard}: {error}", file=sys.stderr, flush=True)
                wait(REREAD_SECONDS)

    def follow(self, is_stopped: Callable[[], bool]) -> None:
        with connect(self.binding, *self.address) as connection:
            connection.execute(LISTEN)
            while not is_stopped():
                self.look(connection)
                for _ in connection.notifies(timeout=REREAD_SECONDS, stop_after=1):
                    pass

    def look(self, connection: psycopg.Connection) -> None:
        claims: dict[int, int] = dict(connection.execute(READ_CLAIMS, (self.group,)).fetchall())
        for change in changes_between(self.claims, claims, self.shard, self.clock.now()):
            self.log.write(map_line(change))
        self.claims = claims


@dataclass(slots=True)
class MapWatch:
    """Watches all shards, and those that join while it runs."""

    binding: Binding
    group: str
    clock: Clock
    open_log: Callable[[str], TextIO]
    watches: dict[str, ShardWatch] = field(default_factory=dict)
    threads: list[Thread] = field(default_factory=list)

    def run(self, is_stopped: Callable[[], bool], wait: Callable[[float], bool]) -> None:
        while not is_stopped():
            for shard, address in self.known_shards().items():
                if shard not in self.watches:
                    self.start(shard, address, is_stopped, wait)
            wait(REREAD_SECONDS)
        for thread in self.threads:
            thread.join()

    def known_shards(self) -> dict[str, tuple[str, int]]:
        try:
            return all_shards(self.binding)
        except psycopg.OperationalError as error:
            print(f"reading the list of shards: {error}", file=sys.stderr, flush=True)
            return {}

    def start(
        self, shard: str, address: tuple[str, int], is_stopped: Callable[[], bool], wait: Callable[[float], bool]
    ) -> None:
        watch = ShardWatch(shard, address, self.binding, self.group, self.clock, self.open_log(f"map-{shard}.tsv"))
        self.watches[shard] = watch
        self.threads.append(Thread(target=watch.run, args=(is_stopped, wait), name=f"map-{shard}"))
        self.threads[-1].start()

    def moved_buckets(self) -> int:
        """Buckets that are at another epoch than their first."""
        return sum(epoch > 1 for watch in self.watches.values() for epoch in watch.claims.values())
