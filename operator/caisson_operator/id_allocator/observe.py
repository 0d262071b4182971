"""Read everything about one allocator once: its objects, its store's binding, its servers. Reads only."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from cryptography import x509

from caisson_operator.api.id_allocator_spec import Mode
from caisson_operator.core.backend import BackendSeen
from caisson_operator.core.certificates import Authority
from caisson_operator.core.content import content_of, identity_of
from caisson_operator.core.decisions import Settled
from caisson_operator.core.lock_space import StoreUnreachable, StoreUnusable
from caisson_operator.effects.backends import observe_backend
from caisson_operator.effects.id_rollbacks import read_rollbacks
from caisson_operator.effects.id_server import read_counts
from caisson_operator.effects.key_secrets import read_authority, read_certificate
from caisson_operator.effects.kube import KubeApi, ObjectRef

from .decide import decide_backend
from .names import PORT, Names
from .observed import (
    AUTHORITY_UNUSABLE,
    Observed,
    ServerPod,
    Trouble,
    is_owned_by,
    not_owned,
    read_counts_of,
    read_token,
)
from .wanted import Wanted


async def observe_allocator(kube: KubeApi, wanted: Wanted, now: datetime) -> Observed:
    namespace, names = wanted.owner.namespace, wanted.names
    found = await _read_objects(kube, names)
    secrets = {name: found.get(("Secret", name)) for name in (names.token, names.authority, names.certificate)}
    deployment = found.get(("Deployment", names.server))
    token, token_trouble = read_token(secrets[names.token], wanted.owner.uid)
    authority, authority_trouble = judge_authority(secrets[names.authority], wanted.owner.uid)
    pods = await kube.list("v1", "Pod", namespace, wanted.owner.labels) if deployment else []
    staying = [pod for pod in pods if not _is_leaving(pod)]
    observed = Observed(
        contents={identity_of(manifest): content_of(manifest) for manifest in found.values()},
        backend=await observe_backend(kube, wanted.backend, namespace) if wanted.backend else BackendSeen(),
        replicas=deployment["spec"]["replicas"] if deployment else None,
        is_rolled_out=_is_rolled_out(deployment),
        token=token,
        token_trouble=token_trouble,
        authority=authority,
        authority_trouble=authority_trouble,
        certificate=read_certificate(secrets[names.certificate]),
        pods=tuple(await asyncio.gather(*(_observe_pod(pod, names, authority) for pod in staying))),
        now=now,
    )
    return await _add_rollbacks(wanted, observed)


async def _add_rollbacks(wanted: Wanted, observed: Observed) -> Observed:
    """A store that cannot be read is a finding, not a failure: ids are had from it by others than the operator."""
    if wanted.mode is not Mode.SNOWFLAKE or wanted.backend is None:
        return observed
    backend = decide_backend(wanted, observed)
    if not isinstance(backend, Settled) or observed.backend.entries is None:
        return replace(observed, rollbacks_unknown=f"{wanted.backend.told} does not serve")
    try:
        found = await read_rollbacks(wanted.backend.type, observed.backend.entries, wanted.settings["space"])
    except (StoreUnreachable, StoreUnusable) as error:
        return replace(observed, rollbacks_unknown=str(error))
    return replace(observed, rollbacks=found)


async def _read_objects(kube: KubeApi, names: Names) -> Mapping[tuple[str, str], Any]:
    """Those that there are, by kind and name."""
    secrets = (names.binding, names.token, names.authority, names.certificate)
    refs = (
        *(ObjectRef("v1", "Secret", names.namespace, name) for name in secrets),
        ObjectRef("v1", "Service", names.namespace, names.server),
        ObjectRef("policy/v1", "PodDisruptionBudget", names.namespace, names.server),
        ObjectRef("apps/v1", "Deployment", names.namespace, names.server),
    )
    return {(ref.kind, ref.name): manifest for ref in refs if (manifest := await kube.get(ref))}


def judge_authority(secret: Mapping[str, Any] | None, uid: str) -> tuple[Authority | None, Trouble | None]:
    """What clients trust is not replaced for being unreadable, and a stranger's is not shown to them."""
    if secret is None:
        return None, None
    name = secret["metadata"]["name"]
    if not is_owned_by(secret, uid):
        return None, Trouble(AUTHORITY_UNUSABLE, not_owned(name, "authority"))
    try:
        return read_authority(secret), None
    except (KeyError, ValueError, x509.ExtensionNotFound) as error:
        told = f"Secret {name} has no certificate that can be read ({error}): delete it to have another authority made, which clients have to be given"
        return None, Trouble(AUTHORITY_UNUSABLE, told)


async def _observe_pod(pod: Any, names: Names, authority: Authority | None) -> ServerPod:
    status = pod.get("status") or {}
    address = status.get("podIP")
    told = await read_counts(address, PORT, names.host, authority.certificate) if address and authority else None
    ready = [each["status"] for each in status.get("conditions", ()) if each["type"] == "Ready"]
    return ServerPod(pod["metadata"]["name"], address, ready == ["True"], read_counts_of(told))


def _is_leaving(pod: Any) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _is_rolled_out(deployment: Any) -> bool:
    if deployment is None:
        return True
    status = deployment.get("status") or {}
    is_heard: bool = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    is_updated: bool = status.get("updatedReplicas", 0) >= deployment["spec"]["replicas"]
    return is_heard and is_updated
