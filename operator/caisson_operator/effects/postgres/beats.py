"""Beats: rows of a switch group's sentinel table. One that the target shows says that all that was committed before it is there."""

from typing import Any

from psycopg import sql

from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.layout import SCHEMA, SwitchGroup

from .sessions import Connection, fetch_value


async def pass_through(source: Connection, target: Connection, group: SwitchGroup, seconds: float) -> None:
    """Commit a beat on the source and wait until the target shows it. HeldUp if that takes longer than `seconds`."""
    wait = await send_beat(source, group, seconds)
    if not await fetch_value(target, AWAIT, wait):
        raise apply_too_slow(group, seconds)


async def send_beat(source: Connection, group: SwitchGroup, seconds: float) -> dict[str, Any]:
    """Commit a beat; returns the parameters of `caisson.await_beat`, for a statement of the target's."""
    beat = await fetch_value(source, sql.SQL(BEAT).format(sql.Identifier(SCHEMA, group.sentinel)))
    return {"sentinel": group.sentinel, "beat": beat, "seconds": seconds}


def last_beat(group: SwitchGroup) -> sql.Composed:
    return sql.SQL("SELECT max(beat) FROM {}").format(sql.Identifier(SCHEMA, group.sentinel))


def apply_too_slow(group: SwitchGroup, seconds: float) -> HeldUp:
    return HeldUp("ApplyTooSlow", f"{group.target} did not apply a change of {group.source} in {seconds} s", 0.5)


AWAIT = "SELECT caisson.await_beat(%(sentinel)s, %(beat)s, %(seconds)s)"

BEAT = "INSERT INTO {0} SELECT coalesce(max(beat), 0) + 1 FROM {0} RETURNING beat"
