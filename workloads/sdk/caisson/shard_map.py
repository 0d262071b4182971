"""Which shard owns which bucket, merged from what the shards say about themselves. Pure: no I/O, no clock.

The rule that keeps this safe: a shard is believed only about itself ("I own it at epoch e"), and of several claims the
highest epoch wins. "The other one owns it" is never believed: acting on it lost updates. While nobody claims a bucket
the old entry stays, and statements sent there are refused by the gate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from caisson.bucket import bucket_function
from caisson.errors import BadKey, ConfigurationError, UnknownTable


@dataclass(frozen=True, slots=True)
class Address:
    """Where a shard answers: `host` leads to its primary, `read_host` to a standby where there is one, `members_host` to each of them.

    After a failover `host` follows a while later: the rules of a cluster's network have to be written anew.
    """

    host: str
    port: int
    read_host: str | None = None
    members_host: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A sharded table, as `caisson.tables` describes it."""

    name: str
    group: str
    key_columns: tuple[str, ...]
    key_types: tuple[str, ...]
    strategy: str
    buckets: int


@dataclass(frozen=True, slots=True)
class ShardView:
    """What one shard said at one moment; `owned` holds only its claims about itself: (group, bucket) -> epoch.

    `timeline` is that of the primary that said it: the shard's own epoch (caisson.epoch).
    """

    shard: str
    database: str
    addresses: Mapping[str, Address]
    tables: tuple[Table, ...]
    owned: Mapping[tuple[str, int], int]
    timeline: int


@dataclass(frozen=True, slots=True)
class Placement:
    """A bucket's owner, at an epoch that the bucket's gate must still show when a transaction ends."""

    group: str
    bucket: int
    shard: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ShardMap:
    """Everything that routing needs, immutable: a new one replaces the old in one assignment."""

    database: str | None = None
    addresses: Mapping[str, Address] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    placements: Mapping[tuple[str, int], Placement] = field(default_factory=dict)

    def table(self, name: str) -> Table:
        try:
            return self.tables[name]
        except KeyError:
            raise UnknownTable(f"no sharded table {name!r}; there are: {_names(self.tables)}") from None

    def group(self, table: str | None, group: str | None = None) -> Table:
        """Any table of the group that the call means: they share key types and buckets, which is all that is needed."""
        if table is not None:
            return self.table(table)
        candidates = {each.group: each for each in self.tables.values()}
        if group is not None and group not in candidates:
            raise UnknownTable(f"no table group {group!r}; there are: {_names(candidates)}")
        if group is None and len(candidates) != 1:
            raise UnknownTable(
                f"say which table the key belongs to (table=...): the database has {len(candidates)} table groups: "
                f"{_names(candidates)}"
            )
        return candidates[group] if group is not None else next(iter(candidates.values()))

    def bucket(self, table: Table, key: object) -> int:
        """The bucket of `key`: one value, or a tuple with one value a key column."""
        values = key if isinstance(key, tuple) else (key,)
        try:
            return bucket_function(table.key_types, table.buckets)(*values)
        except TypeError:
            raise BadKey(f"a key of type {type(key).__name__} fits no column of {table.key_columns}") from None


def merge(current: ShardMap, view: ShardView, pinned: Mapping[str, Address] | None = None) -> ShardMap:
    """The map after hearing `view`; the same object if it says nothing new.

    `pinned` addresses (from the binding) win over the table `shards`: they are how this process reaches the shards.
    """
    if current.database not in (None, view.database):
        raise ConfigurationError(
            f"shard {view.shard!r} belongs to database {view.database!r}, the others to {current.database!r}"
        )
    merged = ShardMap(
        database=view.database,
        addresses=_merge_addresses(current, view, pinned or {}),
        tables={**current.tables, **{table.name: table for table in view.tables}},
        placements=_merge_claims(current.placements, view),
    )
    return current if merged == current else merged


def _merge_addresses(current: ShardMap, view: ShardView, pinned: Mapping[str, Address]) -> dict[str, Address]:
    """A shard knows its own address best; what others say of it counts only while it is unknown."""
    addresses = {**view.addresses, **current.addresses}
    if view.shard in view.addresses:
        addresses[view.shard] = view.addresses[view.shard]
    for shard, pin in pinned.items():
        known = addresses.get(shard, pin)
        addresses[shard] = (
            pin if pin.read_host else replace(pin, read_host=known.read_host, members_host=known.members_host)
        )
    return addresses


def _merge_claims(current: Mapping[tuple[str, int], Placement], view: ShardView) -> Mapping[tuple[str, int], Placement]:
    risen = {
        (group, bucket): Placement(group, bucket, view.shard, epoch)
        for (group, bucket), epoch in view.owned.items()
        if (group, bucket) not in current or current[group, bucket].epoch < epoch
    }
    return {**current, **risen} if risen else current


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
