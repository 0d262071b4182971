"""An account of Kubernetes with rights of its own. Pure.

The operator can grant no more than it may do itself: the API server sees to that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

GROUP = "rbac.authorization.k8s.io"


def build_account(metadata: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """An account, what it may do, and that it may, all of one name: the server takes the last only once it knows the one before it.

    `metadata` has name and namespace. No pod gets the account's token unasked.
    """
    name = metadata["name"]
    subject = {"kind": "ServiceAccount", "name": name, "namespace": metadata["namespace"]}
    return (
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata,
            "automountServiceAccountToken": False,
        },
        {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    )
