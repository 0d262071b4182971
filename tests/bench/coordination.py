"""Everything that is coordinated: locks on Redis and ZooKeeper, and ids."""

from collections.abc import Sequence

from bench import ids, locks, zookeeper_lock
from bench.record import Record


def measure() -> Sequence[Record]:
    return [*locks.measure(), *zookeeper_lock.measure(), *ids.measure()]
