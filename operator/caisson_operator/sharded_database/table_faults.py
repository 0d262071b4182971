"""Why a table cannot be spread over shards, or its leaves not move between them, as it stands in a shard's catalog. Pure.

Each fault breaks an expansion that is let through, some only once the fence is committed: so they are looked for when the
schema is checked, before a new shard is made, and again before each switch.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from caisson_operator.core.decisions import Refuse
from caisson_operator.core.layout import Table

from .observed import TableFindings

SUPPORTED_KEY_TYPES = frozenset(
    ("smallint", "integer", "bigint", "text", "character varying", "uuid", "date", "timestamp with time zone")
)
FAULTS = frozenset(
    [
        "TableMissing",
        "TableNotPartitioned",
        "WrongPartitionKey",
        "NoPrimaryKey",
        "DeferrablePrimaryKey",
        "KeyTypesDiffer",
        "KeyTypeNotSupported",
        "KeyCollationNotDeterministic",
        "ForeignKeyBetweenShardedTables",
        "ForeignKeyToUnshardedTable",
        "ForeignKeyFromUnshardedTable",
    ]
)
"""Every reason that a refused schema may have."""


@dataclass(frozen=True, slots=True)
class _Case:
    table: Table
    found: TableFindings
    sharded: Collection[str]

    @property
    def key(self) -> str:
        return ", ".join(self.table.key)


def find_fault(table: Table, found: TableFindings, sharded: Collection[str]) -> Refuse | None:
    """The first one. `sharded` are the names of all sharded tables."""
    case = _Case(table, found, sharded)
    return next((fault for check in _CHECKS if (fault := check(case))), None)


def _check_partitioning(case: _Case) -> Refuse | None:
    name, found = case.table.name, case.found
    if not found.kind:
        return Refuse("TableMissing", f"table {name} is declared, but no migration has made it in schema public")
    if found.kind != "p" or found.strategy != "h":
        return Refuse("TableNotPartitioned", f"table {name} must be made with PARTITION BY HASH ({case.key})")
    if found.partition_key != case.table.key:
        actual = ", ".join(found.partition_key)
        told = f"table {name} is partitioned by ({actual}), but declared with key ({case.key})"
        return Refuse("WrongPartitionKey", told)
    return None


def _check_primary_key(case: _Case) -> Refuse | None:
    if not set(case.table.key) <= set(case.found.primary_key):
        told = f"table {case.table.name} needs a primary key that contains ({case.key}): without one it cannot move"
        return Refuse("NoPrimaryKey", told)
    if case.found.has_deferrable_key:
        return Refuse(
            "DeferrablePrimaryKey",
            f"table {case.table.name} has a DEFERRABLE primary key: while it moves, every UPDATE and DELETE would fail (55000), "
            "since such a key does not tell rows apart for replication. Make it without DEFERRABLE",
        )
    return None


def _check_key_types(case: _Case) -> Refuse | None:
    if unknown := ", ".join(sorted(set(case.found.key_types) - SUPPORTED_KEY_TYPES)):
        supported = ", ".join(sorted(SUPPORTED_KEY_TYPES))
        told = f"table {case.table.name} has a key of type {unknown}; supported: {supported}"
        return Refuse("KeyTypeNotSupported", told)
    if columns := ", ".join(case.found.nondeterministic_key):
        return Refuse(
            "KeyCollationNotDeterministic",
            f"table {case.table.name} has a key whose collation is not deterministic ({columns}): the server hashes it as no "
            "client can. Give the column a deterministic collation",
        )
    return None


def _check_foreign_keys(case: _Case) -> Refuse | None:
    name = case.table.name
    for other in sorted({*case.found.foreign_keys_to, *case.found.referenced_by}):
        is_to = other in case.found.foreign_keys_to
        if other in case.sharded:
            return Refuse(
                "ForeignKeyBetweenShardedTables",
                f"there is a foreign key {f'from {name} to {other}' if is_to else f'from {other} to {name}'}: foreign keys between "
                "sharded tables are not supported, since a leaf that is referenced cannot be detached. Drop the constraint",
            )
        if is_to:
            return Refuse(
                "ForeignKeyToUnshardedTable",
                f"table {name} has a foreign key to {other}, which is not sharded: its rows do not go along to another shard, "
                "where the key would be broken (23503). Drop the constraint",
            )
        return Refuse(
            "ForeignKeyFromUnshardedTable",
            f"table {other}, which is not sharded, has a foreign key to {name}: a leaf that is referenced cannot be detached "
            "(23503) once it has moved. Drop the constraint",
        )
    return None


_CHECKS: tuple[Callable[[_Case], Refuse | None], ...] = (
    _check_partitioning,
    _check_primary_key,
    _check_key_types,
    _check_foreign_keys,
)
