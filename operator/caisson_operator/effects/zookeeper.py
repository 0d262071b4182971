"""ZooKeeper as the operator reads it, by four-letter words, and the one thing that it changes: who belongs to the ensemble.

ZooKeeperUnreachable   nobody answered in time
HeldUp                 the ensemble would not change now: another change runs, or somebody has changed it since it was read
"""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

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

from caisson_operator.core.certificates import ServerAccess
from caisson_operator.core.decisions import HeldUp

from .zookeeper_tls import TlsHandler

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
    certified_at: datetime
    """When the certificate that it shows began to be valid."""


async def read_server(address: str, port: int, access: ServerAccess) -> ServerView:
    """Raises ZooKeeperUnreachable."""
    try:
        async with asyncio.timeout(SECONDS):
            (mode, certified_at), (listed, _) = await asyncio.gather(
                _ask(address, port, access, "srvr"), _ask(address, port, access, "conf")
            )
    except (OSError, TimeoutError) as error:
        raise ZooKeeperUnreachable(f"{address}:{port}: {error or type(error).__name__}") from error
    return parse_view(mode, listed, certified_at)


def parse_view(mode: str, listed: str, certified_at: datetime) -> ServerView:
    members, version = [], 0
    for line in listed.splitlines():
        key, _, value = line.strip().partition("=")
        if key.startswith("server."):
            role = "observer" if ":observer" in value else "participant"
            members.append((int(key.removeprefix("server.")), role))
        elif key == "version":
            version = int(value, 16)
    modes = [line.partition(":")[2].strip() for line in mode.splitlines() if line.startswith("Mode:")]
    return ServerView(modes[0] if modes else "", tuple(members), version, certified_at)


async def add_member(hosts: str, access: ServerAccess, line: str, version: int) -> None:
    """`line` is `server.N=...`; `version` that of the list which was read. Raises HeldUp."""
    await asyncio.to_thread(_reconfigure, hosts, access, line, None, version)


async def remove_member(hosts: str, access: ServerAccess, number: int, version: int) -> None:
    """Raises HeldUp."""
    await asyncio.to_thread(_reconfigure, hosts, access, None, str(number), version)


def _reconfigure(hosts: str, access: ServerAccess, joining: str | None, leaving: str | None, version: int) -> None:
    sasl = {"mechanism": "DIGEST-MD5", "username": ADMIN, "password": access.password}
    handler = TlsHandler(access.authority, access.name)
    client = KazooClient(hosts=hosts, timeout=10.0, handler=handler, sasl_options=sasl)
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


async def _ask(address: str, port: int, access: ServerAccess, word: str) -> tuple[str, datetime]:
    """The answer, and when the certificate began. By the pod's address, and by the name that all members' certificate is for."""
    context = ssl.create_default_context(cadata=access.authority)
    reader, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=access.name)
    try:
        began = ssl.cert_time_to_seconds(writer.get_extra_info("peercert")["notBefore"])
        writer.write(word.encode())
        return (await reader.read(-1)).decode(errors="replace"), datetime.fromtimestamp(began, UTC)
    finally:
        writer.close()
