"""What one shard's server holds: catalogs, rows and the log of changes, as values that can be copied cheaply."""

from copy import copy
from dataclasses import dataclass, field, fields
from typing import Self

from caisson_operator.core.layout import Bucket, Leaf
from caisson_operator.sharded_database.observed import Claim, Expansion, GroupRecord, LeafState


@dataclass(frozen=True, slots=True)
class Change:
    """One committed change of one row, as logical decoding gives it. `version` None: the row was deleted."""

    table: str
    key: str
    version: int | None
    is_insert: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """A subscription. `applied` is its origin's position; `copied` says at which position of the source's log each table was
    copied, and None where it has not been."""

    source: str
    applied: int
    copied: dict[str, int | None]
    is_enabled: bool = True
    has_slot: bool = True

    @property
    def is_ready(self) -> bool:
        return None not in self.copied.values()


@dataclass(slots=True)
class Catalog:
    """Everything that a standby replays and a crash recovers. Values are replaced, never changed in place."""

    version: int = 0
    term: int = 0
    migrations: dict[str, str] = field(default_factory=dict)
    registered: frozenset[str] = frozenset()
    known_shards: frozenset[str] = frozenset()
    shard_map: dict[Bucket, Claim] = field(default_factory=dict)
    gates: dict[Bucket, int] = field(default_factory=dict)
    leaves: dict[Leaf, LeafState] = field(default_factory=dict)
    rows: dict[str, dict[str, int]] = field(default_factory=dict)  # table -> key -> version
    sentinels: frozenset[str] = frozenset()
    publications: dict[str, frozenset[str]] = field(default_factory=dict)
    feeds: dict[str, Feed] = field(default_factory=dict)
    records: dict[tuple[int, int], GroupRecord] = field(default_factory=dict)
    verified: frozenset[tuple[int, int, str]] = frozenset()
    operator_rotation: str = ""
    logins: dict[str, str] = field(default_factory=dict)  # role -> its mark; the first role is there from the beginning
    member_roles: dict[str, str] = field(
        default_factory=dict
    )  # the same, of the roles of members; the first two are there
    member_passwords: dict[str, str] = field(default_factory=dict)  # of those that were let in
    expansions: dict[int, Expansion] = field(default_factory=dict)
    log: tuple[Change, ...] = ()

    def copy(self) -> Self:
        made = copy(self)
        for name in _MAPPINGS:
            setattr(made, name, dict(getattr(made, name)))
        return made

    def put(self, table: str, key: str, version: int | None) -> None:
        """Write or delete one row, and say so in the log."""
        self.log = (*self.log, Change(table, key, version, is_insert=key not in self.rows.get(table, {})))
        self.replay(table, key, version)

    def replay(self, table: str, key: str, version: int | None) -> None:
        """The same without the log: what a subscription brings is decoded again by nobody."""
        rows = {k: v for k, v in self.rows.get(table, {}).items() if k != key}
        self.rows[table] = rows if version is None else rows | {key: version}

    @property
    def latest_expansion(self) -> Expansion | None:
        return self.expansions[max(self.expansions)] if self.expansions else None


_MAPPINGS = tuple(f.name for f in fields(Catalog) if f.default_factory is dict)
