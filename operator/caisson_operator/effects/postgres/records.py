"""The persisted machine: `caisson.expansion` on the first shard, `caisson.switch_group` on each group's target.

Written before what it describes is made. The plan carries all that its groups need, so that it can be resumed whatever has become of
the resource, and a format number: a newer operator resumes an older plan, an older one refuses a newer.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from caisson_operator.core.layout import SwitchGroup, Table, TableGroup

from .sessions import Connection

FORMAT = 1


class NewerFormatError(Exception):
    """The plan was written by a newer operator than this one."""


async def record_group(target: Connection, group: SwitchGroup, source_timeline: int, target_timeline: int) -> None:
    await target.execute(RECORD, (group.expansion, group.number, source_timeline, target_timeline))


async def forget_group(target: Connection, group: SwitchGroup) -> None:
    await target.execute(FORGET, (group.expansion, group.number))


async def start_expansion(
    first: Connection, number: int, from_shards: int, to_shards: int, groups: Sequence[SwitchGroup]
) -> None:
    await first.execute(START, (number, FORMAT, dump_plan(from_shards, to_shards, groups)))


async def finish_expansion(first: Connection, number: int, pause_milliseconds: Sequence[float]) -> None:
    await first.execute(FINISH, (list(pause_milliseconds), number))


def dump_plan(from_shards: int, to_shards: int, groups: Sequence[SwitchGroup]) -> str:
    tables = {group.tables.name: [asdict(table) for table in group.tables.tables] for group in groups}
    parts = [
        {"number": g.number, "source": g.source, "target": g.target, "group": g.tables.name, "buckets": g.buckets}
        for g in groups
    ]
    return json.dumps({"from": from_shards, "to": to_shards, "tables": tables, "groups": parts})


def load_groups(number: int, format: int, plan: dict[str, Any]) -> tuple[SwitchGroup, ...]:
    """NewerFormatError when the plan's format is not known here."""
    if format > FORMAT:
        raise NewerFormatError(
            f"expansion {number} was planned in format {format}; this operator knows up to {FORMAT}: upgrade it"
        )
    groups = {name: _load_tables(name, tables) for name, tables in plan["tables"].items()}
    return tuple(
        SwitchGroup(
            number, part["number"], part["source"], part["target"], groups[part["group"]], tuple(part["buckets"])
        )
        for part in plan["groups"]
    )


def _load_tables(name: str, tables: Sequence[dict[str, Any]]) -> TableGroup:
    made = tuple(Table(**{**table, "key": tuple(table["key"])}) for table in tables)
    return TableGroup(name, made[0].buckets, made)


RECORD = """
INSERT INTO caisson.switch_group (expansion, number, source_timeline, target_timeline) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""

FORGET = "DELETE FROM caisson.switch_group WHERE expansion = %s AND number = %s"

START = "INSERT INTO caisson.expansion (id, format, state, plan) VALUES (%s, %s, 'Running', %s) ON CONFLICT DO NOTHING"

FINISH = """
UPDATE caisson.expansion SET state = 'Completed', pauses = %s, finished_at = coalesce(finished_at, clock_timestamp())
WHERE id = %s
"""
