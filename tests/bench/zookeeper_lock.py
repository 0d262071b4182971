"""Locks on ZooKeeper and PostgreSQL: the pair against kazoo's own Lock, in turn in the same run, and the hand-over.

The servers write to the disk as in production (forceSync), one of them and three.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from statistics import median

from kazoo.client import KazooClient

from bench.record import Record, compare
from caisson.locks.store import Claim, Grant, LockStore
from caisson.locks.zookeeper import Target, ZooKeeperStore
from coordination.opening import open_database
from coordination.zookeeper import Ensemble, running_ensemble
from postgres.clusters import running_clusters

ROUNDS, CALLS, HAND_OVERS = 9, 150, 300
LEASE_SECONDS = 10.0
CLAIM = Claim("bench")
_owners = count()


def measure() -> Sequence[Record]:
    """Only the first is in the list of what must hold; the others are for orientation."""
    records = []
    with running_ensemble(1, tick_milliseconds=500, fsync=True) as one:
        records += [measure_pair("zookeeper_lock_pair", one), measure_hand_over(one)]
    with running_ensemble(3, tick_milliseconds=500, fsync=True) as three:
        records.append(measure_pair("zookeeper_lock_pair_of_three", three))
    return [*records, measure_database()]


def measure_pair(name: str, ensemble: Ensemble) -> Record:
    """hold + release with a token, against acquire + release of kazoo's Lock, each with a connection to the same server."""
    host = ensemble.servers[0].host
    client = KazooClient(host, timeout=LEASE_SECONDS)
    client.start()
    theirs = client.Lock("/bench/kazoo", "bench")
    store = ZooKeeperStore(Target(host), "bench/pair", LEASE_SECONDS, makes_space=True)

    def kazoo() -> None:
        theirs.acquire()
        theirs.release()

    values, baselines = [], []
    for _ in range(ROUNDS):
        values.append(rate(lambda: hold(store), CALLS))
        baselines.append(rate(kazoo, CALLS))
    store.close()
    client.stop()
    client.close()
    members = len(ensemble.servers)
    note = f"{CALLS} pairs a round, one thread, {members} server{'s' if members > 1 else ''} with fsync; baseline: kazoo's Lock"
    return compare(name, "pairs/s", values, baselines, note)


def measure_hand_over(ensemble: Ensemble) -> Record:
    """From the beginning of a release to the grant of the one waiter, in another client."""
    stores = [ZooKeeperStore(Target(ensemble.hosts), "bench/over", LEASE_SECONDS, makes_space=True) for _ in range(2)]
    milliseconds = sorted(hand_overs(stores, HAND_OVERS))
    for store in stores:
        store.close()
    note = f"p50 of {HAND_OVERS}, release included (one transaction with fsync); p99 {milliseconds[-HAND_OVERS // 100]:.1f} ms"
    return Record("zookeeper_lock_handover_ms_p50", "ms", round(median(milliseconds), 3), 1, note)


def measure_database() -> Record:
    with running_clusters(1) as (cluster,):
        stores = [open_database(cluster.dsn(), "bench/database", LEASE_SECONDS) for _ in range(2)]
        pairs = rate(lambda: hold(stores[0]), CALLS)
        milliseconds = sorted(hand_overs(stores, HAND_OVERS))
        for store in stores:
            store.close()
    note = f"one thread, fsync on; hand-over p50 {median(milliseconds):.1f} ms, p99 {milliseconds[-HAND_OVERS // 100]:.1f} ms"
    return Record("database_lock_pair", "pairs/s", round(pairs, 1), 1, note)


def hand_overs(stores: Sequence[LockStore], times: int) -> list[float]:
    found, grant = [], stores[0].try_acquire(CLAIM, draw_owner())
    with ThreadPoolExecutor(1) as pool:
        for turn in range(times):
            holder, waiter, owner = stores[turn % 2], stores[(turn + 1) % 2], draw_owner()
            waiting = pool.submit(wait, waiter, owner)
            while owner not in [each for lock in holder.read_state().locks for each in lock.waiting]:
                time.sleep(0.001)
            time.sleep(0.005)
            began = time.monotonic()
            assert grant is not None
            holder.release(grant)
            grant, granted_at = waiting.result()
            found.append((granted_at - began) * 1000)
    return found


def wait(store: LockStore, owner: str) -> tuple[Grant | None, float]:
    return store.wait(CLAIM, owner, time.monotonic() + 60), time.monotonic()


def hold(store: LockStore) -> None:
    grant = store.try_acquire(CLAIM, draw_owner())
    assert grant is not None
    store.release(grant)


def draw_owner() -> str:
    return f"bench/{next(_owners)}"


def rate(call: Callable[[], object], calls: int) -> float:
    call()
    began = time.monotonic()
    for _ in range(calls):
        call()
    return calls / (time.monotonic() - began)
