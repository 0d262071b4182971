"""Composition root: `python3 -m zookeeper_member run|ready|alive`."""

import os
import sys

from . import running
from .member import read_member

PROBES = {"ready": running.is_ready, "alive": running.is_alive}


def main(arguments: list[str]) -> int:
    if arguments == ["run"]:
        running.run(read_member(os.environ), os.environ)
    if len(arguments) != 1 or arguments[0] not in PROBES:
        print(f"usage: python3 -m zookeeper_member run|{'|'.join(PROBES)}", file=sys.stderr)
        return 2
    try:
        return 0 if PROBES[arguments[0]]() else 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
