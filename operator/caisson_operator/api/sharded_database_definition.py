"""The definition of ShardedDatabase: what `kubectl get` prints, and the rule that needs both spec and status."""

from .base import rule
from .definition import AGE, NAME_RULES, Definition
from .sharded_database_spec import ShardedDatabaseSpec
from .sharded_database_status import ShardedDatabaseStatus

# The text is compared with one element only: comparing it with each would exceed the API server's budget for a rule.
_IS_APPLIED_KEPT = (
    "!has(oldSelf.status) || !has(oldSelf.status.migrationsApplied) || "
    "oldSelf.spec.schema.migrations.all(o, !(o.id in oldSelf.status.migrationsApplied) || "
    "(self.spec.schema.migrations.exists(n, n.id == o.id) && "
    "self.spec.schema.migrations.filter(n, n.id == o.id)[0].sql == o.sql))"
)
_MIGRATION_RULE = rule(
    _IS_APPLIED_KEPT,
    "a migration that has been applied can neither be changed nor taken away: add another one after it",
)
_COLUMNS = (
    ("Phase", "string", ".status.phase", "A summary in one word"),
    ("Shards", "integer", ".status.shardCount", "Shards that exist"),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether reads and writes are served"),
    ("Expansion", "string", ".status.expansion.phase", "Phase of the expansion"),
    ("Moved", "integer", ".status.expansion.buckets.moved", "Buckets that have moved"),
    ("Of", "integer", ".status.expansion.buckets.total", "Buckets that are to move"),
    AGE,
)
SHARDED_DATABASE = Definition(
    kind="ShardedDatabase",
    short_name="sdb",
    description="A PostgreSQL database in several shards, which grows online.",
    spec=ShardedDatabaseSpec,
    status=ShardedDatabaseStatus,
    columns=_COLUMNS,
    scale=(".spec.shards", ".status.shardCount"),
    rules=(*NAME_RULES, _MIGRATION_RULE),
)
