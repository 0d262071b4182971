"""Read everything about one allocator once: its objects, its store's binding, its servers. Reads only."""

import asyncio
from typing import Any

from caisson_operator.core.backend import BackendSeen
from caisson_operator.core.content import content_of, identity_of
from caisson_operator.effects.backends import observe_backend
from caisson_operator.effects.id_server import read_counts
from caisson_operator.effects.kube import KubeApi, ObjectRef

from .manifests import PORT, Names
from .observed import Observed, ServerPod, read_counts_of, read_token
from .wanted import Wanted


async def observe_allocator(kube: KubeApi, wanted: Wanted) -> Observed:
    namespace, names = wanted.owner.namespace, Names(wanted.owner.name, wanted.owner.namespace)
    refs = (
        ObjectRef("v1", "Secret", namespace, names.binding),
        ObjectRef("v1", "Service", namespace, names.server),
        ObjectRef("policy/v1", "PodDisruptionBudget", namespace, names.server),
        ObjectRef("apps/v1", "Deployment", namespace, names.server),
    )
    found = {ref.kind: manifest for ref in refs if (manifest := await kube.get(ref))}
    deployment = found.get("Deployment")
    secret = await kube.get(ObjectRef("v1", "Secret", namespace, names.token))
    token, token_trouble = read_token(secret, wanted.owner.uid)
    pods = await kube.list("v1", "Pod", namespace, wanted.owner.labels) if deployment else []
    return Observed(
        contents={identity_of(manifest): content_of(manifest) for manifest in found.values()},
        backend=await observe_backend(kube, wanted.backend, namespace) if wanted.backend else BackendSeen(),
        replicas=deployment["spec"]["replicas"] if deployment else None,
        is_rolled_out=_is_rolled_out(deployment),
        token=token,
        token_trouble=token_trouble,
        pods=tuple(await asyncio.gather(*(_observe_pod(pod) for pod in pods if not _is_leaving(pod)))),
    )


async def _observe_pod(pod: Any) -> ServerPod:
    status = pod.get("status") or {}
    address = status.get("podIP")
    told = await read_counts(address, PORT) if address else None
    counts = read_counts_of(told)
    ready = [each["status"] for each in status.get("conditions", ()) if each["type"] == "Ready"]
    return ServerPod(pod["metadata"]["name"], address, ready == ["True"], counts)


def _is_leaving(pod: Any) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _is_rolled_out(deployment: Any) -> bool:
    if deployment is None:
        return True
    status = deployment.get("status") or {}
    is_heard: bool = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    is_updated: bool = status.get("updatedReplicas", 0) >= deployment["spec"]["replicas"]
    return is_heard and is_updated
