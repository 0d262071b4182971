"""Whether a member's own name leads to it yet: the record of its pod comes a moment after the pod."""

import socket
import sys
import time
from typing import Any

LOOK_AGAIN_SECONDS = 1.0
NAME_SECONDS = 60.0


def await_name(host: str, seconds: float = NAME_SECONDS) -> bool:
    """Waits until this member's own name leads to it, since ZooKeeper looks once, and a leader whose address is another than the
    ensemble's list has for it gives up its lead at the next change. Says so and goes on where DNS does not follow."""
    deadline = time.monotonic() + seconds
    while not _leads_here(host):
        if time.monotonic() > deadline:
            _say(f"starting although={host} does not lead to this pod")
            return False
        _say(f"waiting reason={host} does not lead to this pod yet")
        time.sleep(LOOK_AGAIN_SECONDS)
    return True


def _leads_here(host: str) -> bool:
    """Only an address of this machine can be bound to."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(_is_own(family, address) for family, _, _, _, address in found)


def _is_own(family: int, address: tuple[Any, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
