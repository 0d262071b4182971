"""Observations and wanted states for tables of decisions: settled by default, and changed where a test says so."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from caisson_operator.api.resource import load_sharded_database
from caisson_operator.core.certificates import Authority, ServerCertificate
from caisson_operator.core.content import CONTENT
from caisson_operator.core.layout import SCHEMA_VERSION, Bucket, Leaf
from caisson_operator.sharded_database.manifests import build_server_names
from caisson_operator.sharded_database.observed import (
    Attachment,
    Claim,
    LeafState,
    Objects,
    Observed,
    Shard,
    TableFindings,
)
from caisson_operator.sharded_database.placement import place_initially
from caisson_operator.sharded_database.provisioning import build_objects
from caisson_operator.sharded_database.wanted import Engine, Wanted, read_wanted

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FLIGHTS = {"name": "flights", "key": ["tailnum"], "group": "aircraft", "buckets": 8}
PLANES = {**FLIGHTS, "name": "planes"}
AUTHORITY = Authority("-----BEGIN CERTIFICATE-----", "c0ffee")
FIT = TableFindings("p", "h", ("tailnum",), ("text",), ("tailnum",), (), True)


def build_wanted(shards: int = 2, image: str = "image", namespace: str = "test", **spec: Any) -> Wanted:
    base: dict[str, Any] = {
        "shards": shards,
        "storage": {"size": "1Gi"},
        "schema": {"migrations": [{"id": "001", "sql": "CREATE TABLE flights ()"}]},
        "tables": [FLIGHTS, PLANES],
    }
    metadata = {"name": "flights", "namespace": namespace, "uid": "0"}
    return read_wanted(load_sharded_database({"metadata": metadata, "spec": base | spec}), Engine(image))


def settle(wanted: Wanted, **changes: Any) -> dict[str, Shard]:
    """Every shard as it is wanted: buckets placed, leaves attached, migrations and tables recorded. Then `changes` on s0."""
    placed: dict[Bucket, str] = {}
    for group in wanted.groups.values():
        placed |= place_initially(group, wanted.shards)
    shards = {name: _settle_shard(wanted, name, placed) for name in wanted.shards}
    return shards | {"s0": replace(shards["s0"], **changes)}


def _settle_shard(wanted: Wanted, name: str, placed: Mapping[Bucket, str]) -> Shard:
    mine = [bucket for bucket, owner in placed.items() if owner == name]
    leaves: dict[Leaf, LeafState] = {}
    for bucket in mine:
        leaves |= dict.fromkeys(wanted.groups[bucket.group].leaves(bucket.number), LeafState(Attachment.ATTACHED))
    return Shard(
        name=name,
        timeline=1,
        has_synchronous_standby=True,
        schema_version=SCHEMA_VERSION,
        migrations={migration.id: migration.checksum for migration in wanted.migrations},
        tables={table.name: FIT for table in wanted.tables},
        shard_map={bucket: Claim(name, 1) for bucket in mine},
        leaves=leaves,
        known_shards=frozenset(wanted.shards),
    )


def certify(wanted: Wanted) -> dict[str, Any]:
    """What is made before the first object is applied: passwords, the authority, a certificate a shard that none outlives."""
    begin, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
    certificates = {
        shard: ServerCertificate(frozenset(build_server_names(wanted.database, shard)), begin, end, AUTHORITY.key_id)
        for shard in wanted.shards
    }
    return {"has_credentials": True, "authority": AUTHORITY, "certificates": certificates}


def provision(wanted: Wanted, **changes: Any) -> Objects:
    """Every Kubernetes object is there, as it is wanted."""
    objects = Objects(claimed_sizes=dict.fromkeys(wanted.shards, wanted.storage_size), **certify(wanted))
    made = build_objects(wanted, objects, changes.get("login", objects.login))
    contents = {(m["kind"], m["metadata"]["name"]): m["metadata"]["annotations"][CONTENT] for m in made}
    return replace(objects, **{"contents": contents, **changes})


def observe(wanted: Wanted, shards: Mapping[str, Shard] | None = None, objects: Objects | None = None) -> Observed:
    return Observed(NOW, objects or provision(wanted), settle(wanted) if shards is None else shards)
