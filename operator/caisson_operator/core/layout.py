"""Names and shapes of what stands on a shard: tables, groups, buckets, leaves, gates. Pure.

docs/reference/shard-schema.md is the same in words, for those who write a client.
"""

from collections.abc import Iterable
from dataclasses import dataclass

DATABASE = "app"
SCHEMA = "caisson"
SCHEMA_VERSION = 5
"""Of effects/postgres/schema.sql. A shard with a lower one gets the whole file again."""
MAP_CHANNEL = "caisson_map"
TOMBSTONE = "caisson_moved"

SUPERUSER = "postgres"
OWNER_ROLE = "caisson_owner"
APPLICATION_ROLE = "caisson_app"
# Applications log in as one of the two: a change of the password needs another that is let in at the same time.
LOGIN_ROLES = (APPLICATION_ROLE, "caisson_app_b")
# In the place of Login.mark: a password that has run out, and one that is about to.
RETIRED, RETIRING = "retired", "retiring"
# What a role's comment begins with; the request that its password was made for follows.
ROTATION_MARK = "rotation "
# Members come to each other as one of each two, for the same reason. The second of a pair is a member of the first.
REPLICATION_ROLES = ("caisson_replication", "caisson_replication_b")
REWIND_ROLES = ("caisson_rewind", "caisson_rewind_b")
MEMBER_ROLES = (*REPLICATION_ROLES, *REWIND_ROLES)
FIRST_MEMBER_ROLES = REPLICATION_ROLE, REWIND_ROLE = REPLICATION_ROLES[0], REWIND_ROLES[0]


@dataclass(frozen=True, slots=True)
class Login:
    """Whom applications log in as. `rotation` is the request that its password was made for; empty: that of the first day."""

    role: str = APPLICATION_ROLE
    rotation: str = ""

    @property
    def mark(self) -> str:
        """What a shard notes of the role (its comment) once it lets it in with this password."""
        return mark_rotation(self.rotation)

    def follow(self, rotation: str | None) -> "Login":
        """The login after this request: the other role's. None, or the request that this one is of: itself."""
        if not rotation or rotation == self.rotation:
            return self
        return Login(other_role(self.role), rotation)


FIRST_LOGIN = Login()


def other_role(role: str) -> str:
    return next(each for pair in _PAIRS if role in pair for each in pair if each != role)


def first_role(role: str) -> str:
    """Of the pair that this one is of: the one that is there from the first day on, and has the rights."""
    return next(pair[0] for pair in _PAIRS if role in pair)


_PAIRS = (LOGIN_ROLES, REPLICATION_ROLES, REWIND_ROLES)


def mark_rotation(rotation: str) -> str:
    """What a role's comment says of the request that its password was made for; of the first day's nothing."""
    return f"{ROTATION_MARK}{rotation}" if rotation else ""


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """One hash partition number of one table group: what an epoch, an owner and a gate belong to."""

    group: str
    number: int

    @property
    def gate(self) -> str:
        return f"gate_{self.group}_{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """One table's partition of one bucket. `bound` is what follows FOR VALUES."""

    schema: str
    table: str
    bucket: Bucket
    bound: str

    @property
    def name(self) -> str:
        return leaf_name(self.table, self.bucket.number)


@dataclass(frozen=True, slots=True)
class Table:
    """A sharded table as the resource declares it."""

    name: str
    key: tuple[str, ...]
    group: str
    strategy: str
    buckets: int


@dataclass(frozen=True, slots=True)
class TableGroup:
    """Tables whose leaves of one bucket live and move together."""

    name: str
    buckets: int
    tables: tuple[Table, ...]

    @property
    def idempotency_table(self) -> str:
        return f"idempotency_{self.name}"

    def all_buckets(self) -> tuple[Bucket, ...]:
        return tuple(Bucket(self.name, number) for number in range(self.buckets))

    def leaves(self, number: int) -> tuple[Leaf, ...]:
        """Every leaf of one bucket: the tables' own, then the group's record of idempotency keys."""
        bucket = Bucket(self.name, number)
        bound = f"WITH (MODULUS {self.buckets}, REMAINDER {number})"
        own = tuple(Leaf("public", table.name, bucket, bound) for table in self.tables)
        return (*own, Leaf(SCHEMA, self.idempotency_table, bucket, f"IN ({number})"))

    def leaves_of(self, numbers: Iterable[int]) -> tuple[Leaf, ...]:
        return tuple(leaf for number in numbers for leaf in self.leaves(number))


@dataclass(frozen=True, slots=True)
class ShardAddress:
    """Where clients reach one shard: the read-write host follows the primary, the read host the standbys.

    The members' host means all of them, each at an address of its own: who is promoted is reached there before the others
    have followed.
    """

    shard: str
    host: str
    port: int
    read_host: str
    members_host: str | None = None


@dataclass(frozen=True, slots=True)
class SwitchGroup:
    """The leaves that one fence moves, and the names of everything that is made to move them.

    `expansion` numbers the expansion within its database, `number` the group within the expansion.
    """

    expansion: int
    number: int
    source: str
    target: str
    tables: TableGroup
    buckets: tuple[int, ...]

    @property
    def link(self) -> str:
        """The name of the publication and slot on the source and of the subscription on the target."""
        return f"caisson_{self.expansion}_{self.number}"

    @property
    def sentinel(self) -> str:
        """A table of its own a group: several subscriptions would apply a shared one."""
        return f"sentinel_{self.expansion}_{self.number}"

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        return self.tables.leaves_of(self.buckets)


def leaf_name(table: str, number: int) -> str:
    return f"{table}_b{number}"


def shard_name(index: int) -> str:
    return f"s{index}"


def shard_index(name: str) -> int:
    return int(name.removeprefix("s"))


def group_tables(tables: Iterable[Table]) -> dict[str, TableGroup]:
    """Tables gathered by group, in the order in which they are declared."""
    members: dict[str, list[Table]] = {}
    for table in tables:
        members.setdefault(table.group, []).append(table)
    return {name: TableGroup(name, found[0].buckets, tuple(found)) for name, found in members.items()}
