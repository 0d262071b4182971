"""ZooKeeper as the operator reads it, by four-letter words, and the one thing that it changes: who belongs to the ensemble.

ZooKeeperUnreachable   nobody answered in time
HeldUp                 the ensemble would not change now: another change runs, or somebody has changed it since it was read
"""

import asyncio
from dataclasses import dataclass

from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadVersionError,
    ConnectionLoss,
    KazooException,
    NewConfigNoQuorumError,
    OperationTimeoutError,
    ReconfigInProcessError,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError

from caisson_operator.core.decisions import HeldUp

SECONDS = 3.0
ADMIN = "caisson-admin"  # workloads/zookeeper/zookeeper_member/member.py
LOOK_AGAIN_SECONDS = 2.0


# Nothing was changed, or nobody knows (a leader that removes itself hangs up): the next look tells.
_LATER = (
    BadVersionError,
    ConnectionLoss,
    KazooTimeoutError,
    NewConfigNoQuorumError,
    OperationTimeoutError,
    ReconfigInProcessError,
    SessionExpiredError,
)


class ZooKeeperUnreachable(Exception):
    pass


@dataclass(frozen=True, slots=True)
class ServerView:
    mode: str
    """leader, follower or observer; empty while it serves nobody."""
    members: tuple[tuple[int, str], ...]
    """Number and role (participant or observer) of each that it has for a member."""
    version: int
    """Of that list."""


async def read_server(host: str, port: int) -> ServerView:
    """Raises ZooKeeperUnreachable."""
    try:
        async with asyncio.timeout(SECONDS):
            mode, listed = await asyncio.gather(_ask(host, port, "srvr"), _ask(host, port, "conf"))
    except (OSError, TimeoutError) as error:
        raise ZooKeeperUnreachable(f"{host}:{port}: {error or type(error).__name__}") from error
    return parse_view(mode, listed)


def parse_view(mode: str, listed: str) -> ServerView:
    members, version = [], 0
    for line in listed.splitlines():
        key, _, value = line.strip().partition("=")
        if key.startswith("server."):
            role = "observer" if ":observer" in value else "participant"
            members.append((int(key.removeprefix("server.")), role))
        elif key == "version":
            version = int(value, 16)
    modes = [line.partition(":")[2].strip() for line in mode.splitlines() if line.startswith("Mode:")]
    return ServerView(modes[0] if modes else "", tuple(members), version)


async def add_member(hosts: str, password: str, line: str, version: int) -> None:
    """`line` is `server.N=...`; `version` that of the list which was read. Raises HeldUp."""
    await asyncio.to_thread(_reconfigure, hosts, password, line, None, version)


async def remove_member(hosts: str, password: str, number: int, version: int) -> None:
    """Raises HeldUp."""
    await asyncio.to_thread(_reconfigure, hosts, password, None, str(number), version)


def _reconfigure(hosts: str, password: str, joining: str | None, leaving: str | None, version: int) -> None:
    sasl = {"mechanism": "DIGEST-MD5", "username": ADMIN, "password": password}
    client = KazooClient(hosts=hosts, timeout=10.0, sasl_options=sasl)
    try:
        client.start(timeout=10.0)
        client.reconfig(joining, leaving, None, from_config=version)
    except _LATER as error:
        raise HeldUp(
            "EnsembleNotChanged", f"the ensemble did not change: {type(error).__name__}", LOOK_AGAIN_SECONDS
        ) from error
    except KazooException as error:
        raise ZooKeeperUnreachable(f"the ensemble did not change: {type(error).__name__} {error}".strip()) from error
    finally:
        client.stop()
        client.close()


async def _ask(host: str, port: int, word: str) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(word.encode())
        return (await reader.read(-1)).decode(errors="replace")
    finally:
        writer.close()
