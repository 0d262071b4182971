"""Ports for servers that tests start, and stop and start again."""

import random
import socket
from collections.abc import Iterator
from pathlib import Path

LEAST, MOST = 10_000, 29_999  # above those with names, below those that Kubernetes gives to Services
OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Nobody's at the moment, none that was given before, and none that the kernel gives to an outgoing connection.

    While a server is down, a client that tries again and again to reach it may be given its very port, and meet itself.
    """
    return next(port for port in _candidates if _is_free(port))


def _go_round() -> Iterator[int]:
    """From anywhere, since other processes look for ports too."""
    most = min(MOST, int(OUTGOING.read_text().split()[0]) - 1)
    port = random.randint(LEAST, most)
    while True:
        yield port
        port = port + 1 if port < most else LEAST


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_candidates = _go_round()
