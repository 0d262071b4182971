"""Kubernetes objects that the database needs and that are missing or not as wanted. Pure.

Each object carries the hash of what was applied in an annotation, so that nothing is sent that is there already. The image of a
shard stays what it was made with: upgrading the operator restarts no database.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, decide_first

from . import steps
from .manifests import ShardManifestInput, build_database_objects, build_shard_objects
from .observed import Objects, Observed
from .wanted import Wanted

CONTENT = "caisson.dev/content"


def decide_provisioning(wanted: Wanted, observed: Observed) -> Decision:
    return decide_first(
        lambda: _make_credentials(wanted, observed.objects),
        lambda: _apply(wanted, observed.objects),
    )


def _make_credentials(wanted: Wanted, objects: Objects) -> Decision:
    if objects.has_credentials:
        return Settled()
    name = wanted.database.name
    if objects.has_volumes:
        return Refuse(
            "CredentialsLost",
            f"volumes of {name} exist, but the Secret {name}-credentials that opens them does not: restore it, "
            f"or delete the volumes (label caisson.dev/database={name}) to begin anew",
        )
    return Plan((steps.CreateCredentials(),), "MakingCredentials", "making the passwords of the database's roles")


def _apply(wanted: Wanted, objects: Objects) -> Decision:
    stale = tuple(m for m in build_objects(wanted, objects) if objects.contents.get(_identity(m)) != _content(m))
    if not stale:
        return Settled()
    names = ", ".join(sorted({manifest["metadata"]["name"] for manifest in stale}))
    return Plan((steps.ApplyObjects(stale),), "ApplyingObjects", f"applying {names}"[:1000])


def build_objects(wanted: Wanted, objects: Objects) -> tuple[dict[str, Any], ...]:
    """Everything the database has in Kubernetes, each with its content's hash, in the order in which to apply it."""
    made = build_database_objects(wanted.database, wanted.shards, objects.application_password)
    for shard in wanted.shards:
        made += build_shard_objects(
            ShardManifestInput(
                database=wanted.database,
                shard=shard,
                members=wanted.members,
                image=objects.images.get(shard, wanted.engine.image),
                engine_service_account=wanted.engine.service_account,
                storage_size=wanted.storage_size,
                storage_class=wanted.storage_class,
                resources=wanted.resources,
                durability=wanted.durability,
            )
        )
    return tuple(_stamp(manifest) for manifest in made)


def _stamp(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest["metadata"]
    text = json.dumps(manifest, sort_keys=True).encode()
    annotations = {**metadata.get("annotations", {}), CONTENT: hashlib.sha256(text).hexdigest()[:16]}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _content(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["annotations"][CONTENT])


def _identity(manifest: Mapping[str, Any]) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]
