"""Reads what the SDK's allocators have noted of wall clocks that went back: ids/postgres_workers.py and ids/zookeeper_workers.py of the SDK."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from kazoo.exceptions import NoNodeError

from caisson_operator.core.rollbacks import TOLD_SECONDS, Rollback

from .locks import database, zookeeper

MOST = 20
_TABLE = "SELECT to_regclass('caisson.id_rollbacks') IS NOT NULL"
_RECENT = """
SELECT worker, teller, times, furthest_ms::float8 / 1000, seen_at
FROM caisson.id_rollbacks WHERE space = %s AND seen_at > clock_timestamp() - %s * interval '1 second'
ORDER BY seen_at DESC LIMIT %s
"""


async def read_rollbacks(backend: str, entries: Mapping[str, str], space: str) -> tuple[Rollback, ...]:
    """Those of the last hour, at most MOST, the latest first. Raises StoreUnreachable, StoreUnusable (core/lock_space.py)."""
    if backend == "zookeeper":
        return await asyncio.to_thread(_read_nodes, entries, f"/caisson/ids/{space}/rollbacks")
    return await _read_rows(entries, space)


async def _read_rows(entries: Mapping[str, str], space: str) -> tuple[Rollback, ...]:
    async with database.connected(entries) as connection:
        found = await (await connection.execute(_TABLE)).fetchone()
        if not found or not found[0]:
            return ()
        rows = await (await connection.execute(_RECENT, (space, TOLD_SECONDS, MOST))).fetchall()
    return tuple(Rollback(*row) for row in rows)


def _read_nodes(entries: Mapping[str, str], root: str) -> tuple[Rollback, ...]:
    """What is recent goes by this host's clock against the ensemble's: a few seconds do not matter to an hour."""
    since = datetime.now(UTC) - timedelta(seconds=TOLD_SECONDS)
    with zookeeper.connected(entries) as client:
        try:
            workers = client.get_children(root)
        except NoNodeError:
            return ()
        nodes = [(int(worker), *client.get(f"{root}/{worker}")) for worker in workers]
    found = [_read_node(worker, data, stat.mtime) for worker, data, stat in nodes]
    recent = [each for each in found if each.seen_at > since]
    return tuple(sorted(recent, key=lambda each: each.seen_at, reverse=True)[:MOST])


def _read_node(worker: int, data: bytes, written_ms: int) -> Rollback:
    said: dict[str, Any] = json.loads(data)
    seen_at = datetime.fromtimestamp((written_ms - said["ago_ms"]) / 1000, UTC)
    return Rollback(worker, said["teller"], said["times"], said["furthest_ms"] / 1000, seen_at)
