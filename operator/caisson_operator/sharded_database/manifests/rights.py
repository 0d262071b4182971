"""What the pods of a shard may do in Kubernetes, Patroni and the agent of early expiry alike: change the shard's own records
and what its own pods say of themselves. Pure."""

from collections.abc import Sequence
from typing import Any

from caisson_operator.core.rights import build_account

from .inputs import ShardManifestInput
from .names import ShardNames, owned_metadata, shard_labels


def build_rights(shard: ShardManifestInput) -> tuple[dict[str, Any], ...]:
    names = ShardNames(shard.database.name, shard.shard)
    metadata = owned_metadata(shard.database, names.scope, shard_labels(shard.database, shard.shard))
    return build_account(metadata, _build_rules(shard, names))


def _build_rules(shard: ShardManifestInput, names: ShardNames) -> list[dict[str, Any]]:
    """Kubernetes limits no creation by a name, and Patroni lists and watches by labels, which are none: these are for the whole namespace."""
    pods = (*(names.pod(ordinal) for ordinal in range(shard.members)), *shard.leaving)
    return [
        _allow("endpoints", ("create", "list", "watch")),
        _allow("endpoints", ("get", "patch"), names.records),
        _allow("pods", ("list", "watch")),
        # Not its own alone: who ends the lead of a silent member takes that one's status away first.
        _allow("pods", ("patch",), pods),
    ]


def _allow(resource: str, verbs: Sequence[str], names: Sequence[str] = ()) -> dict[str, Any]:
    limit = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [""], "resources": [resource], **limit, "verbs": list(verbs)}
