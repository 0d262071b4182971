"""One shard's catalog, in the server's words, as a frozen `Shard` in ours. Reads only."""

from collections.abc import Mapping, Sequence
from typing import Any

from caisson_operator.core.layout import Bucket, Leaf, TableGroup
from caisson_operator.effects.postgres.catalog import Catalog, read_catalog
from caisson_operator.effects.postgres.records import load_groups
from caisson_operator.effects.postgres.sessions import Sessions

from .observed import (
    Attachment,
    Claim,
    Expansion,
    GroupRecord,
    LeafState,
    PreparedTransaction,
    Shard,
    Standby,
    Subscription,
    TableFindings,
    WritingTransaction,
)


async def observe_shard(sessions: Sessions, name: str, groups: Mapping[str, TableGroup]) -> Shard:
    """Read one shard's primary. Whatever breaks leaves no half-dead session behind, and is raised."""
    tables = [table.name for group in groups.values() for table in group.tables]
    try:
        catalog = await read_catalog(await sessions.get(name), tuple(groups.values()), tables)
    except BaseException:
        await sessions.drop(name)
        raise
    return build_shard(name, catalog, groups)


def build_shard(name: str, catalog: Catalog, groups: Mapping[str, TableGroup]) -> Shard:
    """Pure: the same catalog gives the same shard."""
    own: Mapping[str, Sequence[tuple[Any, ...]]] = dict.fromkeys(_OWN_KEYS, ()) | dict(catalog.own)
    registered = {row[0] for row in own["registered"]}
    return Shard(
        name=name,
        timeline=catalog.timeline,
        has_synchronous_standby=any(is_synchronous for _, is_synchronous, *_ in catalog.standbys),
        standbys={name: Standby(*found) for name, *found in catalog.standbys},
        schema_version=catalog.schema_version,
        migrations=dict(own["migrations"]),
        tables={key: _build_table(found, key in registered) for key, found in catalog.tables.items()},
        shard_map={Bucket(group, number): Claim(owner, epoch) for group, number, owner, epoch in own["map"]},
        leaves=_build_leaves(catalog, groups),
        publications=frozenset(row[0] for row in own["publications"]),
        slots=dict(own["slots"]),
        lost_slots=frozenset(row[0] for row in own["lost_slots"]),
        subscriptions={row[0]: Subscription(*row[1:]) for row in own["subscriptions"]},
        spare_workers=own["spare"][0][0] if own["spare"] else 0,
        spare_slots=own["spare"][0][1] if own["spare"] else 0,
        sentinels=frozenset(row[0] for row in own["sentinels"]),
        records={(row[0], row[1]): GroupRecord(*row[2:]) for row in own["groups"]},
        rows_arrived=dict(own["arrived"]),
        row_estimates=catalog.row_estimates,
        open_fences=own["open_fences"][0][0] if own["open_fences"] else 0,
        unsettled_gates=own["unsettled"][0][0] if own["unsettled"] else 0,
        prepared_transactions=tuple(PreparedTransaction(*row) for row in own["prepared"]),
        oldest_writer=WritingTransaction(*own["writer"][0]) if own["writer"] else None,
        known_shards=frozenset(row[0] for row in own["shards"]),
        logins=dict(own["logins"]),
        operator_rotation=own["operator_rotation"][0][0] if own["operator_rotation"] else "",
        member_roles=dict(own["member_roles"]),
        member_sessions=frozenset(row[0] for row in own["member_sessions"]),
        expansion=_build_expansion(own["expansion"]),
    )


_OWN_KEYS = [
    "registered",
    "migrations",
    "map",
    "publications",
    "slots",
    "lost_slots",
    "subscriptions",
    "spare",
    "sentinels",
    "groups",
    "arrived",
    "open_fences",
    "unsettled",
    "prepared",
    "writer",
    "shards",
    "logins",
    "operator_rotation",
    "member_roles",
    "member_sessions",
    "expansion",
]


def _build_table(found: Mapping[str, Any], is_registered: bool) -> TableFindings:
    return TableFindings(
        kind=found["kind"],
        strategy=found["strategy"],
        partition_key=tuple(found["partition_key"]),
        key_types=tuple(found["key_types"]),
        primary_key=tuple(found["primary_key"]),
        foreign_keys_to=tuple(found["foreign_keys_to"]),
        is_registered=is_registered,
        referenced_by=tuple(found["referenced_by"]),
        has_deferrable_key=found["has_deferrable_key"],
        nondeterministic_key=tuple(found["nondeterministic_key"]),
    )


def _build_leaves(catalog: Catalog, groups: Mapping[str, TableGroup]) -> dict[Leaf, LeafState]:
    wanted = (leaf for group in groups.values() for leaf in group.leaves_of(range(group.buckets)))
    return {
        leaf: _build_leaf(*catalog.leaves[f"{leaf.schema}.{leaf.name}"])
        for leaf in wanted
        if f"{leaf.schema}.{leaf.name}" in catalog.leaves
    }


def _build_leaf(is_attached: bool, is_pending: bool, is_tombstoned: bool) -> LeafState:
    if not is_attached:
        return LeafState(Attachment.LOOSE, is_tombstoned)
    return LeafState(Attachment.DETACHING if is_pending else Attachment.ATTACHED, is_tombstoned)


def _build_expansion(rows: Sequence[tuple[Any, ...]]) -> Expansion | None:
    if not rows:
        return None
    number, format, state, plan, pauses, started_at, finished_at = rows[0]
    return Expansion(
        number=number,
        groups=load_groups(number, format, plan),
        from_shards=plan["from"],
        to_shards=plan["to"],
        is_finished=state == "Completed",
        started_at=started_at,
        finished_at=finished_at,
        pause_milliseconds=tuple(pauses),
    )
