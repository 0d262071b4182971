"""Every rule of the definition, with one object that it admits and one that it refuses, and with the words that it says."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest

from api.apiserver import ApiServer
from caisson_operator.sharded_database.recorded import read_recorded

Manifest = dict[str, Any]

BASE: Manifest = {
    "engine": {"type": "postgresql", "version": "15"},
    "shards": 2,
    "membersPerShard": 2,
    "storage": {"size": "2Gi", "storageClassName": "standard"},
    "schema": {"migrations": [{"id": "001", "sql": "SELECT 1"}, {"id": "002", "sql": "SELECT 2"}]},
    "tables": [
        {"name": "flights", "key": ["tailnum"], "group": "aircraft", "buckets": 64},
        {"name": "planes", "key": ["tailnum"], "group": "aircraft", "buckets": 64},
    ],
}


def database(namespace: str, spec: Manifest, name: str = "flights") -> Manifest:
    return {
        "apiVersion": "caisson.dev/v1alpha1",
        "kind": "ShardedDatabase",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def changed(**changes: Any) -> Manifest:
    """The base with paths such as `storage__size` set; None takes the field away."""
    spec = copy.deepcopy(BASE)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place: Any = spec
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return spec


def table(name: str, **fields: Any) -> Manifest:
    return {"name": name, "key": ["tailnum"], **fields}


@dataclass(frozen=True)
class Rule:
    """Specs that are made, or that the base is changed to; `says` is part of the refusal."""

    name: str
    admitted: Manifest
    refused: Manifest
    says: str


AT_BIRTH = [
    Rule("one member has no standby", changed(membersPerShard=1, durability="asynchronous"),
         changed(membersPerShard=1), "synchronous and strict need a standby"),
    Rule("strict wants a standby too", changed(durability="strict"),
         changed(membersPerShard=1, durability="strict"), "synchronous and strict need a standby"),
    Rule("at least one member", changed(membersPerShard=1, durability="asynchronous"),
         changed(membersPerShard=0, durability="asynchronous"), "should be greater than or equal to 1"),
    Rule("at least one shard", changed(shards=1), changed(shards=0), "should be greater than or equal to 1"),
    Rule("as many buckets as shards", changed(shards=64), changed(shards=3, tables=[table("a", buckets=2)]),
         "at least as many buckets as shards"),
    Rule("buckets from 1", changed(shards=1, tables=[table("a", buckets=1)]), changed(tables=[table("a", buckets=0)]),
         "should be greater than or equal to 1"),
    Rule("buckets up to 1024", changed(tables=[table("a", buckets=1024)]), changed(tables=[table("a", buckets=1025)]),
         "should be less than or equal to 1024"),
    Rule("one group, the same buckets", changed(tables=[table("a", buckets=8), table("b", buckets=16)]),
         changed(tables__1__buckets=32), "tables of one group need the same number of buckets"),
    Rule("a group may be called like a table that has none",
         changed(tables=[table("a", buckets=8), table("b", group="a", buckets=8)]),
         changed(tables=[table("a", buckets=8), table("b", group="a", buckets=16)]), "tables of one group"),
    Rule("one group, as many key columns", changed(tables__0__key=["x"]), changed(tables__0__key=["x", "y"]),
         "as many key columns"),
    Rule("a key has columns", changed(tables=[table("a", key=["x", "y"])]), changed(tables=[table("a", key=[])]),
         "should have at least 1 items"),
    Rule("table names are plain", changed(tables=[table("a_1")]), changed(tables=[table("A")]), "should match"),
    Rule("table names are short", changed(tables=[table("a" * 30)]), changed(tables=[table("a" * 31)]), "30"),
    Rule("table names are not leaves'", changed(tables=[table("a_b")]), changed(tables=[table("a_b5")]),
         "may not end like a bucket's partition"),
    Rule("tables have different names", changed(), changed(tables__1__name="flights"), "Duplicate value"),
    Rule("migrations have different ids", changed(), changed(schema__migrations__1__id="001"), "Duplicate value"),
    Rule("strategy hash alone", changed(tables__0__strategy="hash"), changed(tables__0__strategy="range"),
         'supported values: "hash"'),
    Rule("engine postgresql alone", changed(), changed(engine__type="mysql"), 'supported values: "postgresql"'),
    Rule("version 15 alone", changed(), changed(engine__version="16"), 'supported values: "15"'),
    Rule("durability is known", changed(durability="strict"), changed(durability="eventual"), "supported values"),
    Rule("deletionPolicy is known", changed(deletionPolicy="Delete"), changed(deletionPolicy="Keep"), "supported"),
    Rule("storage has a size", changed(), changed(storage__size=None), "storage.size: Required value"),
    Rule("a size is a quantity", changed(storage__size="1.5Ti"), changed(storage__size="2 GB"), "should match"),
    Rule("a pause is a duration", changed(expansion={"pauseBetweenGroups": "1m500ms"}),
         changed(expansion={"pauseBetweenGroups": "5"}), "should match"),
    Rule("parallel copies from 1", changed(expansion={"maxParallelCopies": 1}), changed(expansion={"maxParallelCopies": 0}),
         "maxParallelCopies in body should be greater than or equal to 1"),
    Rule("switch groups from 1", changed(expansion={"switchGroups": 1}), changed(expansion={"switchGroups": 0}),
         "should be greater than or equal to 1"),
    Rule("a leader can renew in time", changed(failover={"ttlSeconds": 30, "loopWaitSeconds": 10, "retryTimeoutSeconds": 10}),
         changed(failover={"loopWaitSeconds": 10, "retryTimeoutSeconds": 8}),
         "loopWaitSeconds + 2 * retryTimeoutSeconds must be at most ttlSeconds, and 10 + 2 * 8 = 26 is more than 20"),
    Rule("the sum is told with what is left out", changed(failover={"ttlSeconds": 21, "retryTimeoutSeconds": 10}),
         changed(failover={"retryTimeoutSeconds": 10}), "and 1 + 2 * 10 = 21 is more than 20"),
    Rule("ttl has a least", changed(failover={}), changed(failover={"ttlSeconds": 19}), "greater than or equal to 20"),
    Rule("loop wait has a least", changed(failover={"loopWaitSeconds": 2}), changed(failover={"loopWaitSeconds": 0}),
         "greater than or equal to 1"),
    Rule("retry timeout has a least", changed(failover={"retryTimeoutSeconds": 4}),
         changed(failover={"retryTimeoutSeconds": 2}), "greater than or equal to 3"),
    Rule("parameters are PostgreSQL's", changed(parameters={"work_mem": "16MB", "pg_stat_statements.track": "all"}),
         changed(parameters={"Work Mem": "16MB"}), "one of PostgreSQL's, in lower case"),
    Rule("durability is not for parameters", changed(parameters={"wal_compression": "on", "deadlock_timeout": "2s"}),
         changed(parameters={"fsync": "off"}), "a parameter is Caisson's own"),
    Rule("parameters load no libraries", changed(parameters={"jit": "on"}),
         changed(parameters={"session_preload_libraries": "x"}), "a parameter is Caisson's own"),
]  # fmt: skip

IN_LIFE = [
    Rule("shards only grow", changed(shards=4), changed(shards=1), "shards can only grow for now"),
    Rule("volumes only grow", changed(storage__size="3Gi"), changed(storage__size="2047Mi"), "storage.size can only grow"),
    Rule("a number is a size too", changed(storage__size=4 * 1024**3), changed(storage__size=1024**3),
         "storage.size can only grow"),
    Rule("storage keeps its class", changed(), changed(storage__storageClassName="fast"), "storageClassName is fixed"),
    Rule("storage keeps having a class", changed(), changed(storage__storageClassName=None), "storageClassName is fixed"),
    Rule("a table keeps its key", changed(), changed(tables__0__key=["origin"]), "a table's key is fixed"),
    Rule("a table keeps its buckets", changed(),
         changed(tables__0__buckets=128, tables__1__buckets=128), "a table's buckets are fixed"),
    Rule("a table keeps its group", changed(), changed(tables__0__group="other"), "a table's group is fixed"),
    Rule("a table keeps having a group", changed(), changed(tables__0__group=None), "a table's group is fixed"),
    Rule("tables come and do not go", changed(tables=[*BASE["tables"], table("third")]),
         changed(tables=BASE["tables"][:1]), "a sharded table cannot be taken out"),
    Rule("the order of tables is nothing", changed(tables=BASE["tables"][::-1]),
         changed(tables=[BASE["tables"][1]]), "a sharded table cannot be taken out"),
    Rule("a migration that is not applied may change", changed(schema__migrations__1__sql="SELECT 3"),
         changed(schema__migrations__0__sql="SELECT 3"), "a migration that has been applied"),
    Rule("a migration that is not applied may go", changed(schema={"migrations": BASE["schema"]["migrations"][:1]}),
         changed(schema={"migrations": BASE["schema"]["migrations"][1:]}), "a migration that has been applied"),
    Rule("members may come and go", changed(membersPerShard=3), changed(membersPerShard=1), "need a standby"),
]  # fmt: skip


@pytest.mark.parametrize("rule", AT_BIRTH, ids=lambda rule: rule.name)
def test_rule_at_birth(server: ApiServer, rule: Rule) -> None:
    dry_run = ("create", "--dry-run=server", "-f", "-")
    server.kubectl(*dry_run, stdin=database("default", rule.admitted))
    refused = server.try_kubectl(*dry_run, stdin=database("default", rule.refused))
    assert refused.code != 0
    assert rule.says in refused.error


@pytest.fixture(scope="module")
def made(server: ApiServer) -> str:
    """A namespace with the base in it, its first migration applied."""
    server.kubectl("create", "namespace", "rules")
    server.kubectl("create", "-f", "-", stdin=database("rules", BASE))
    patch = '{"status": {"migrationsApplied": ["001"], "shardCount": 2}}'
    server.kubectl("patch", "sdb", "flights", "-n", "rules", "--subresource=status", "--type=merge", "-p", patch)
    return "rules"


@pytest.mark.parametrize("rule", IN_LIFE, ids=lambda rule: rule.name)
def test_rule_in_life(server: ApiServer, made: str, rule: Rule) -> None:
    dry_run = ("replace", "--dry-run=server", "-f", "-")
    server.kubectl(*dry_run, stdin=database(made, rule.admitted))
    refused = server.try_kubectl(*dry_run, stdin=database(made, rule.refused))
    assert refused.code != 0
    assert rule.says in refused.error


FAILOVER = {
    "shard": "s0", "at": "2026-01-01T11:59:57Z", "from": "flights-s0-0", "to": "flights-s0-1", "timelineBefore": 1,
    "timelineAfter": 2, "durationSeconds": 2.5, "cause": "PrimaryLost", "lost": "none",
}  # fmt: skip
SWITCHOVER = {
    "request": "7f3a", "shard": "s0", "from": "flights-s0-1", "to": "flights-s0-0", "timelineBefore": 2,
    "phase": "Running", "message": "Patroni moves the lead", "at": "2026-01-01T12:00:00Z",
}  # fmt: skip
LEADER = {
    "member": "flights-s0-1", "timeline": 2, "synchronousStandby": "flights-s0-0",
    "heardAt": "2026-01-01T12:00:00.250000Z", "requested": True,
}  # fmt: skip


def test_the_server_keeps_what_the_operator_tells_of_failovers_and_nothing_less(
    server: ApiServer, namespace: str
) -> None:
    """A field that the definition does not know would be dropped in silence, and a request run again and again."""
    server.kubectl("create", "-n", namespace, "-f", "-", stdin=database(namespace, BASE))
    shard = {"name": "s0", "leader": LEADER, "unprotectedSince": "2026-01-01T12:00:00Z"}
    told = {"failovers": [FAILOVER, {"shard": "s1", "timelineBefore": 4}], "switchover": SWITCHOVER, "shards": [shard]}
    head = {"apiVersion": "caisson.dev/v1alpha1", "kind": "ShardedDatabase", "metadata": {"name": "flights"}}
    apply = ("apply", "--server-side", "--subresource=status", "-n", namespace, "-f", "-")
    server.kubectl(*apply, stdin={**head, "status": told})
    kept = server.get("sdb", "flights", "-n", namespace)["status"]
    assert (kept["failovers"], kept["switchover"]) == (told["failovers"], SWITCHOVER)
    assert kept["shards"][0].items() >= shard.items()
    found = read_recorded(kept)
    assert (len(found.failovers), set(found.leaders), found.switchover is not None) == (2, {"s0"}, True)
    refused = server.try_kubectl(*apply, stdin={**head, "status": {"failovers": [FAILOVER] * 11}})
    assert refused.code != 0
    assert "must have at most 10 items" in refused.error


def test_the_largest_resource_that_the_bounds_allow_is_within_the_servers_budget(
    server: ApiServer, namespace: str
) -> None:
    """The rules' cost is counted at run time too: many tables, many migrations, then a change of the last one."""
    migrations = [{"id": f"m{number:03}", "sql": f"SELECT {number} " + "x" * 4000} for number in range(200)]
    tables = [table(f"table{number}", buckets=64) for number in range(64)]
    spec = changed(schema={"migrations": migrations}, tables=tables)
    server.kubectl("create", "-f", "-", stdin=database(namespace, spec, "large"))
    applied = [migration["id"] for migration in migrations[:-1]]
    status = {"status": {"migrationsApplied": applied}}
    head = {"apiVersion": "caisson.dev/v1alpha1", "kind": "ShardedDatabase", "metadata": {"name": "large"}}
    server.kubectl(
        "apply", "--server-side", "--subresource=status", "-n", namespace, "-f", "-", stdin={**head, **status}
    )
    migrations[-1]["sql"] = "SELECT 'corrected'"
    server.kubectl("replace", "-f", "-", stdin=database(namespace, spec, "large"))
