"""Reads the store that a resource names, and its binding. Reads only."""

from caisson_operator.api.definition import GROUP, VERSION
from caisson_operator.core.backend import SECRET, BackendSeen, BackendWanted
from caisson_operator.core.objects import read_secret

from .kube import KubeApi, ObjectRef


async def observe_backend(kube: KubeApi, wanted: BackendWanted, namespace: str) -> BackendSeen:
    if wanted.kind == SECRET:
        secret = await kube.get(ObjectRef("v1", "Secret", namespace, wanted.name))
        return BackendSeen(None, read_secret(secret) if secret else None)
    manifest = await kube.get(ObjectRef(f"{GROUP}/{VERSION}", wanted.kind, namespace, wanted.name))
    binding = ((manifest or {}).get("status") or {}).get("binding")
    secret = await kube.get(ObjectRef("v1", "Secret", namespace, binding["name"])) if binding else None
    return BackendSeen(manifest, read_secret(secret) if secret else None)
