"""Reads only: the store's records, signs of life of the leader, and the state of the agent's own member.

Every question has a limit of its own. A server that was stopped in its tracks (SIGSTOP, a frozen node) still takes
connections, its kernel does: only an answer is a sign of life. What Patroni answers counts only from a member that the
database's own authority vouches for.
"""

import asyncio
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import urllib3

from .kube import Kube, NotFound
from .records import NO_SYNC, LeaderRecord, OwnMember, SyncRecord, parse_leader, parse_own, parse_sync
from .timings import Timings, parse_timings
from .watch import SHORTEST, Look, Watch, must_probe

# Length 8, then the code that asks whether the server speaks TLS: it answers with one byte, before any password.
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
AUTHORITY = Path("/etc/caisson/authority/ca.crt")


@dataclass(frozen=True, slots=True)
class Ports:
    postgresql: int = 5432
    restapi: int = 8008


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take, in seconds. A leader that answers later than this is as good as silent, a moment long."""

    leaders_postgresql: float = 0.4
    leaders_restapi: float = 0.4
    own_member: float = 1.0


@dataclass(frozen=True, slots=True)
class Eyes:
    """What this agent sees of its shard. `clock` is monotonic."""

    kube: Kube
    scope: str
    own_address: str
    members: urllib3.PoolManager
    ports: Ports = Ports()
    patience: Patience = Patience()
    clock: Callable[[], float] = time.monotonic

    async def look(self, before: Watch | None, timings: Timings = SHORTEST) -> Look:
        """One round. Raises StoreError."""
        begun_at = self.clock()
        record = await self.read_leader()
        read_at = self.clock()
        if record.address is None or not must_probe(before, record, read_at, timings):
            return Look(record, begun_at, read_at)
        is_postgres_up, is_rest_up = await asyncio.gather(
            self.is_postgres_up(record.address, self.patience.leaders_postgresql),
            self.is_rest_up(record.address, self.patience.leaders_restapi),
        )
        return Look(record, begun_at, read_at, is_postgres_up, is_rest_up)

    async def read_leader(self) -> LeaderRecord:
        return parse_leader(await self.kube.read(f"endpoints/{self.scope}"))

    async def read_sync(self) -> SyncRecord:
        try:
            return parse_sync(await self.kube.read(f"endpoints/{self.scope}-sync"))
        except NotFound:
            return NO_SYNC

    async def read_timings(self) -> Timings:
        """Raises StoreError."""
        try:
            return parse_timings(await self.kube.read(f"endpoints/{self.scope}-config"))
        except NotFound:
            return SHORTEST

    async def observe_own(self) -> OwnMember:
        is_up, answer = await asyncio.gather(
            self.is_postgres_up(self.own_address, self.patience.own_member),
            self.get(self.own_address, "patroni", self.patience.own_member),
        )
        return parse_own(is_up, None) if answer is None else parse_own(is_up, answer.json(), answer.headers.get("Date"))

    async def is_postgres_up(self, address: str, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await ask_for_tls(address, self.ports.postgresql)
        except OSError:  # TimeoutError is one.
            return False

    async def is_rest_up(self, address: str, seconds: float) -> bool:
        """Whether Patroni says anything at all, be it that it is not well."""
        return await self.get(address, "liveness", seconds) is not None

    async def get(self, address: str, path: str, seconds: float) -> urllib3.BaseHTTPResponse | None:
        host = f"[{address}]" if ":" in address else address
        url = f"https://{host}:{self.ports.restapi}/{path}"
        limit = urllib3.Timeout(total=seconds)
        try:
            return await asyncio.to_thread(self.members.request, "GET", url, timeout=limit, retries=False)
        except urllib3.exceptions.HTTPError:
            return None


def build_members(authority: Path, name: str) -> urllib3.PoolManager:
    """For HTTPS to members by their addresses: each must show a certificate for `name`, which all members of a shard have."""
    return urllib3.PoolManager(ca_certs=str(authority), assert_hostname=name)


async def ask_for_tls(address: str, port: int) -> bool:
    """Whether the server answers with a byte, whichever. Raises OSError."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(SSL_REQUEST)
        return bool(await reader.read(1))
    finally:
        writer.transport.abort()  # A hung peer would keep an orderly close waiting.
