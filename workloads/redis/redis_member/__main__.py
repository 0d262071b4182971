"""Composition root: `python3 -m redis_member redis|sentinel|stop|ready|alive|sentinel-alive`."""

import os
import sys
from collections.abc import Callable

from . import running
from .member import Member, read_member
from .resp import RedisError

PROBES: dict[str, Callable[[Member], bool]] = {
    "ready": running.is_ready,
    "alive": running.is_alive,
    "sentinel-alive": running.is_sentinel_alive,
}
ACTIONS: dict[str, Callable[[Member], None]] = {
    "redis": running.run_redis,
    "sentinel": running.run_sentinel,
    "stop": running.stop,
}


def main(arguments: list[str]) -> int:
    known = [*ACTIONS, *PROBES]
    if len(arguments) != 1 or arguments[0] not in known:
        print(f"usage: python3 -m redis_member {'|'.join(known)}", file=sys.stderr)
        return 2
    member = read_member(os.environ)
    if arguments[0] in ACTIONS:
        ACTIONS[arguments[0]](member)
        return 0
    try:
        return 0 if PROBES[arguments[0]](member) else 1
    except (OSError, RedisError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
