"""What the pods of a shard may do in Kubernetes, Patroni and the agent of early expiry alike: change the shard's own records
and what its own pods say of themselves. Pure.

The operator can grant no more than it may do itself: the API server sees to that.
"""

from collections.abc import Sequence
from typing import Any

from .inputs import ShardManifestInput
from .names import ShardNames, owned_metadata, shard_labels

GROUP = "rbac.authorization.k8s.io"


def build_rights(shard: ShardManifestInput) -> tuple[dict[str, Any], ...]:
    """An account, what it may do, and that it may: the server takes the last only once it knows the one before it."""
    names = ShardNames(shard.database.name, shard.shard)
    metadata = owned_metadata(shard.database, names.scope, shard_labels(shard.database, shard.shard))
    subject = {"kind": "ServiceAccount", "name": names.scope, "namespace": shard.database.namespace}
    return (
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata,
            "automountServiceAccountToken": False,
        },
        {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": metadata, "rules": _build_rules(shard, names)},
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": names.scope},
            "subjects": [subject],
        },
    )


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
