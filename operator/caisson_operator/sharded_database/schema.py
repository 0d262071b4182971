"""Bring every shard's schema to what the resource asks for: the schema `caisson`, migrations, tables, first leaves. Pure."""

from collections.abc import Iterable, Mapping

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Step, decide_first
from caisson_operator.core.layout import SCHEMA_VERSION, TableGroup

from . import steps
from .observed import Attachment, Shard, TableFindings, owners
from .placement import place_initially
from .table_faults import find_fault
from .wanted import Migration, Wanted


def decide_schema(wanted: Wanted, shards: Mapping[str, Shard]) -> Decision:
    """The next steps towards the wanted schema; every wanted shard has been observed.

    While an expansion runs, DDL waits: it is not replicated, and the copies would no longer fit.
    """
    return decide_first(
        lambda: _install(shards),
        lambda: _publish(wanted, shards),
        lambda: Settled() if is_expanding(shards) else _settle_tables(wanted, shards),
    )


def is_expanding(shards: Mapping[str, Shard]) -> bool:
    return any(shard.expansion is not None and not shard.expansion.is_finished for shard in shards.values())


def pending_migrations(wanted: Wanted, shard: Shard) -> tuple[tuple[int, Migration], ...]:
    """(position, migration) in order, of those that this shard has not recorded."""
    return tuple((place, m) for place, m in enumerate(wanted.migrations, start=1) if m.id not in shard.migrations)


def _settle_tables(wanted: Wanted, shards: Mapping[str, Shard]) -> Decision:
    return decide_first(
        lambda: _refuse_changed_migrations(wanted, shards),
        lambda: _migrate(wanted, shards),
        lambda: refuse_unfit_tables(wanted, shards),
        lambda: _register(wanted, shards),
        lambda: _place(wanted, shards),
    )


def _install(shards: Mapping[str, Shard]) -> Decision:
    todo = tuple(steps.InstallSchema(shard.name) for shard in shards.values() if shard.schema_version < SCHEMA_VERSION)
    return _plan(todo, "InstallingSchema", "preparing the shards")


def _publish(wanted: Wanted, shards: Mapping[str, Shard]) -> Decision:
    """Shards learn of each other, and clients of new shards, as soon as all can be asked."""
    todo = tuple(
        steps.PublishShards(shard.name, wanted.addresses)
        for shard in shards.values()
        if not shard.known_shards >= set(wanted.shards)
    )
    return _plan(todo, "PublishingShards", "telling shards and clients where every shard is")


def _refuse_changed_migrations(wanted: Wanted, shards: Mapping[str, Shard]) -> Decision:
    for migration in wanted.migrations:
        for shard in shards.values():
            if shard.migrations.get(migration.id, migration.checksum) != migration.checksum:
                return Refuse(
                    "MigrationChanged",
                    f"migration {migration.id} was changed after it had been applied on {shard.name}: "
                    "put its old text back, and write what is new as a migration of its own",
                )
    return Settled()


def _migrate(wanted: Wanted, shards: Mapping[str, Shard]) -> Decision:
    todo = tuple(
        steps.ApplyMigration(shard.name, migration.id, place, migration.sql, migration.checksum)
        for shard in shards.values()
        for place, migration in pending_migrations(wanted, shard)
    )
    return _plan(todo, "Migrating", f"applying {len(todo)} migrations")


def refuse_unfit_tables(wanted: Wanted, shards: Mapping[str, Shard]) -> Decision:
    """The first reason, if there is one, why a table cannot be spread over shards as it is declared."""
    sharded = {table.name for table in wanted.tables}
    for shard in shards.values():
        for table in wanted.tables:
            refusal = find_fault(table, shard.tables.get(table.name, TableFindings()), sharded)
            if refusal:
                return refusal
        for group in wanted.groups.values():
            types = {table.name: shard.tables[table.name].key_types for table in group.tables}
            if len(set(types.values())) > 1:
                told = ", ".join(f"{name} has ({', '.join(of)})" for name, of in sorted(types.items()))
                return Refuse("KeyTypesDiffer", f"tables of group {group.name} need keys of the same types: {told}")
    return Settled()


def _register(wanted: Wanted, shards: Mapping[str, Shard]) -> Decision:
    todo = tuple(
        steps.RegisterTables(shard.name, wanted.tables)
        for shard in shards.values()
        if any(not shard.tables[table.name].is_registered for table in wanted.tables)
    )
    return _plan(todo, "RegisteringTables", "making gates, and telling clients which tables are sharded")


def _place(wanted: Wanted, shards: Mapping[str, Shard]) -> Decision:
    """Buckets that nobody claims get an owner; an owner that lacks a leaf (of a table added later) gets it."""
    todo: list[Step] = []
    held = owners(shards)
    for group in wanted.groups.values():
        placed = place_initially(group, wanted.shards) | {b: o for b, o in held.items() if b.group == group.name}
        for shard in shards.values():
            mine = tuple(
                bucket
                for bucket, owner in sorted(placed.items())
                if owner == shard.name and (bucket not in held or _lacks_leaf(shard, group, bucket.number))
            )
            if mine:
                todo.append(steps.PlaceBuckets(shard.name, group, mine))
    return _plan(tuple(todo), "PlacingBuckets", "making the tables' partitions")


def _lacks_leaf(shard: Shard, group: TableGroup, number: int) -> bool:
    return any(shard.leaf(leaf).attachment is Attachment.ABSENT for leaf in group.leaves(number))


def _plan(todo: Iterable[Step], reason: str, message: str) -> Decision:
    found = tuple(todo)
    return Plan(found, reason, message) if found else Settled()
