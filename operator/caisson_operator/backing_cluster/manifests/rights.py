"""What the agent of the epoch may do in Kubernetes: read and change the number, and where clients are led to. Pure.

The operator can grant no more than it may do itself: the API server sees to that.
"""

from typing import Any

from ..wanted import Wanted
from .names import Names

GROUP = "rbac.authorization.k8s.io"


def build_rights(wanted: Wanted) -> tuple[dict[str, Any], ...]:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    metadata = wanted.owner.owned(names.epoch)
    subject = {"kind": "ServiceAccount", "name": names.epoch, "namespace": names.namespace}
    return (
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata,
            "automountServiceAccountToken": False,
        },
        {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": metadata, "rules": _build_rules(wanted, names)},
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": names.epoch},
            "subjects": [subject],
        },
    )


def _build_rules(wanted: Wanted, names: Names) -> list[dict[str, Any]]:
    may_change = {"apiGroups": [""], "verbs": ["get", "update"]}
    number = {**may_change, "resources": ["configmaps"], "resourceNames": [names.epoch]}
    leading = {**may_change, "resources": ["endpoints"], "resourceNames": [names.cluster]}
    return [number, leading] if wanted.is_replicated else [number]
