"""The engines' service account in a namespace that the chart did not prepare (the operator watches all of them).

The operator makes no roles: it binds the ClusterRole that the chart owns, by name, and has the right to bind only that.
"""

from caisson_operator.effects.kube import KubeApi, Manifest

ENGINE_ACCOUNT = "caisson-engine"
_LABELS = {"app.kubernetes.io/managed-by": "caisson", "app.kubernetes.io/component": "engine"}


def build_engine_access(namespace: str, cluster_role: str) -> list[Manifest]:
    metadata = {"name": ENGINE_ACCOUNT, "namespace": namespace, "labels": _LABELS}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
            "subjects": [{"kind": "ServiceAccount", "name": ENGINE_ACCOUNT, "namespace": namespace}],
        },
    ]


class EngineAccess:
    """Makes sure of each namespace once in the life of a leader."""

    def __init__(self, kube: KubeApi, cluster_role: str) -> None:
        self._kube, self._cluster_role = kube, cluster_role
        self._prepared: set[str] = set()

    async def prepare(self, namespace: str) -> None:
        if not self._cluster_role or namespace in self._prepared:
            return
        for manifest in build_engine_access(namespace, self._cluster_role):
            await self._kube.apply(manifest)
        self._prepared.add(namespace)
