"""A process of its own that takes the lock `counter`, reads a number, thinks until it is told to go on, and writes the next one.

    python lock_thinker.py BACKEND TARGET SPACE LEASE FILE looks|blind

`blind` writes without looking whether it still holds; `looks` asks its own monotonic clock, as `held.check()` does.
"""

import sys
from pathlib import Path

from coordination.lock_child import is_believed, replace
from coordination.lock_holder import take
from coordination.opening import open_store


def main(backend: str, target: str, space: str, lease: str, file: str, how: str) -> None:
    store = open_store(backend, target, space, float(lease))
    grant = take(store)
    value = int(Path(file).read_text())
    print("read", flush=True)
    sys.stdin.readline()
    is_written = how == "blind" or is_believed(store, grant)
    if is_written:
        replace(Path(file), value + 1)
    print("wrote" if is_written else "stopped", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
