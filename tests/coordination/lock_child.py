"""A process of its own that works under a lock, for tests that stop, kill or outlive it.

    python lock_child.py BACKEND TARGET SPACE LEASE FILE TIMES

It adds one to the number in FILE, TIMES times, each time by reading it and writing it back under the lock `counter`: two who
hold at once lose a step. It stops believing in a grant at the end of its lease, as the facade does, and tries again.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

from caisson.errors import StoreUnavailable
from caisson.locks.store import Claim, Grant, LockStore
from coordination.opening import open_store

COUNTER = Claim("counter")


def main(backend: str, target: str, space: str, lease: str, file: str, times: str) -> None:
    store = open_store(backend, target, space, float(lease))
    done = 0
    while done < int(times):
        done += take_turn(store, f"{os.getpid()}/{time.monotonic_ns()}", Path(file))
    store.close()


def take_turn(store: LockStore, owner: str, file: Path) -> bool:
    """Whether a step was made."""
    try:
        grant = store.wait(COUNTER, owner, time.monotonic() + 30)
    except StoreUnavailable:
        return False
    if grant is None or not is_believed(store, grant):
        return False
    value = int(file.read_text())
    is_made = is_believed(store, grant)
    if is_made:
        replace(file, value + 1)
    with contextlib.suppress(StoreUnavailable):
        store.release(grant)
    return is_made


def is_believed(store: LockStore, grant: Grant) -> bool:
    return time.monotonic() < grant.leased_at + store.lease_seconds


def replace(file: Path, value: int) -> None:
    beside = file.with_suffix(f".{os.getpid()}")
    beside.write_text(str(value))
    beside.rename(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
