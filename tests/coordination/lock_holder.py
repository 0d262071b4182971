"""A process of its own that holds the lock `counter`, says its token, and later whether it has lost it.

python lock_holder.py BACKEND TARGET SPACE LEASE
"""

import sys
import time

from caisson.errors import StoreUnavailable
from caisson.locks.store import Grant, LockStore
from coordination.lock_child import COUNTER
from coordination.opening import open_store


def main(backend: str, target: str, space: str, lease: str) -> None:
    store = open_store(backend, target, space, float(lease))
    grant = take(store)
    print(grant.token, flush=True)
    is_held = True
    while is_held:
        time.sleep(store.lease_seconds / 6)
        try:
            (is_held,) = store.renew([grant])
        except StoreUnavailable:
            continue
    print("lost", flush=True)


def take(store: LockStore) -> Grant:
    """However busy the machine is."""
    while True:
        try:
            grant = store.wait(COUNTER, f"holder/{time.monotonic_ns()}", time.monotonic() + 60)
        except StoreUnavailable:
            continue
        if grant is not None:
            return grant


if __name__ == "__main__":
    main(*sys.argv[1:])
