"""Read everything about one cluster once: its Kubernetes objects, then every member. Reads only.

A member that cannot be reached is a finding, not a failure.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from caisson_operator.core.certificates import Authority, ServerAccess
from caisson_operator.core.content import content_of, identity_of
from caisson_operator.core.objects import read_secret
from caisson_operator.core.pods import read_unready_since
from caisson_operator.core.volumes import Volume, read_claimed_size
from caisson_operator.effects.key_secrets import read_authority, read_certificate
from caisson_operator.effects.kube import KubeApi, Manifest, ObjectRef
from caisson_operator.effects.redis import RedisUnreachable, read_sentinel
from caisson_operator.effects.redis import read_server as read_redis
from caisson_operator.effects.volumes import observe_volume
from caisson_operator.effects.zookeeper import ZooKeeperUnreachable
from caisson_operator.effects.zookeeper import read_server as read_zookeeper

from .manifests import TEMPLATE, Names, Passwords
from .manifests.names import REDIS_PORT, SENTINEL_PORT, ZOOKEEPER_PORT
from .observed import Epoch, Observed, Pod, RedisView, ZooKeeperView
from .wanted import Wanted

_LISTED = (("v1", "Service"), ("policy/v1", "PodDisruptionBudget"), ("apps/v1", "StatefulSet"))
_RIGHTS = (
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
)


async def observe_cluster(
    kube: KubeApi, wanted: Wanted, status: Mapping[str, Any], now: datetime, reads_nodes: bool = False
) -> Observed:
    objects = await _observe_objects(kube, wanted, status, now)
    objects = replace(objects, volumes=await _observe_volumes(kube, wanted, objects.pods, reads_nodes))
    if objects.passwords is None or objects.authority is None:
        return objects
    access = _build_access(wanted, objects.passwords, objects.authority)
    reachable = [pod for pod in objects.pods if pod.address]  # one that leaves may lead until it has handed over
    if not wanted.is_redis:
        return await _observe_zookeeper(objects, reachable, access)
    return await _observe_redis(objects, reachable, wanted, access)


async def read_access(kube: KubeApi, wanted: Wanted) -> ServerAccess:
    """Raises LookupError where a Secret has gone."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    refs = (ObjectRef("v1", "Secret", names.namespace, name) for name in (names.credentials, names.authority))
    credentials, authority = [await kube.get(ref) for ref in refs]
    found = _read_passwords(credentials), read_authority(authority)
    if found[0] is None or found[1] is None:
        raise LookupError(f"the Secret {names.credentials} or {names.authority} has gone")
    return _build_access(wanted, found[0], found[1])


def _build_access(wanted: Wanted, passwords: Passwords, authority: Authority) -> ServerAccess:
    name = Names(wanted.owner.name, wanted.owner.namespace).host
    return ServerAccess(name, authority.certificate, passwords.admin)


async def _observe_objects(kube: KubeApi, wanted: Wanted, status: Mapping[str, Any], now: datetime) -> Observed:
    """By label; what the operator may not list, by name."""
    names, labels = Names(wanted.owner.name, wanted.owner.namespace), wanted.owner.labels
    listed = [item for version, kind in _LISTED for item in await kube.list(version, kind, names.namespace, labels)]
    named = await asyncio.gather(*(kube.get(ref) for ref in _name_objects(wanted, names)))
    found = [*listed, *filter(None, named)]
    by_name = {identity_of(manifest): manifest for manifest in found}
    pods = await kube.list("v1", "Pod", names.namespace, labels)
    troubles = await _observe_troubles(kube, names) if any(not _is_ready(pod) for pod in pods) or not pods else {}
    stateful_set = by_name.get(("StatefulSet", names.cluster))
    credentials, authority = (by_name.get(("Secret", name)) for name in (names.credentials, names.authority))
    return Observed(
        now=now,
        contents={identity: content_of(manifest) for identity, manifest in by_name.items()},
        passwords=_read_passwords(credentials),
        credentials_uid=credentials["metadata"]["uid"] if credentials else "",
        authority=read_authority(authority),
        authority_uid=authority["metadata"]["uid"] if authority else "",
        certificate=read_certificate(by_name.get(("Secret", names.certificate))),
        epoch=_read_epoch(by_name.get(("ConfigMap", names.epoch))),
        has_leading=("Endpoints", names.cluster) in by_name,
        is_formed=_data(by_name.get(("ConfigMap", names.ensemble))).get("formed") == "true",
        replicas=stateful_set["spec"]["replicas"] if stateful_set else None,
        claimed_size=read_claimed_size(stateful_set) if stateful_set else "",
        pods=tuple(sorted((_build_pod(pod, troubles) for pod in pods), key=lambda pod: pod.ordinal)),
        status=status,
    )


async def _observe_volumes(
    kube: KubeApi, wanted: Wanted, pods: tuple[Pod, ...], reads_nodes: bool
) -> tuple[Volume, ...]:
    claims = await kube.list("v1", "PersistentVolumeClaim", wanted.owner.namespace, wanted.owner.labels)
    ready = {pod.name for pod in pods if pod.is_ready}
    return tuple([await observe_volume(kube, claim, ready, reads_nodes) for claim in claims])


def _name_objects(wanted: Wanted, names: Names) -> list[ObjectRef]:
    secrets = (names.credentials, names.authority, names.certificate, names.binding)
    refs = [("v1", "Secret", name) for name in secrets]
    if wanted.is_redis:
        refs += [("v1", "ConfigMap", names.epoch), *((version, kind, names.epoch) for version, kind in _RIGHTS)]
        refs += [("v1", "Endpoints", names.cluster)] if wanted.is_replicated else []
    else:
        refs += [("v1", "ConfigMap", names.ensemble)]
    return [ObjectRef(version, kind, names.namespace, name) for version, kind, name in refs]


async def _observe_redis(objects: Observed, pods: list[Pod], wanted: Wanted, access: ServerAccess) -> Observed:
    found = await asyncio.gather(*(_try_redis(pod, wanted, access) for pod in pods))
    views = {pod.name: view for pod, view in zip(pods, found, strict=True) if isinstance(view, RedisView)}
    failed = {pod.name: why for pod, why in zip(pods, found, strict=True) if isinstance(why, str)}
    return replace(objects, redis=views, unreachable=failed)


async def _try_redis(pod: Pod, wanted: Wanted, access: ServerAccess) -> RedisView | str:
    try:
        server = await read_redis(pod.address, REDIS_PORT, access)
    except RedisUnreachable as error:
        return str(error)[:300]
    view = RedisView(
        server.is_primary, server.is_linked, server.epoch, server.least_replicas, server.replicas, server.priority
    )
    if not wanted.is_replicated:
        return view
    try:
        sentinel = await read_sentinel(pod.address, SENTINEL_PORT, access, wanted.owner.name)
    except RedisUnreachable:
        return view
    return replace(
        view,
        sentinel_leader=sentinel.leader,
        quorum=sentinel.quorum,
        other_sentinels=sentinel.other_sentinels,
        known_replicas=sentinel.replicas,
    )


async def _observe_zookeeper(objects: Observed, pods: list[Pod], access: ServerAccess) -> Observed:
    found = await asyncio.gather(*(_try_zookeeper(pod, access) for pod in pods))
    views = {pod.name: view for pod, view in zip(pods, found, strict=True) if isinstance(view, ZooKeeperView)}
    failed = {pod.name: why for pod, why in zip(pods, found, strict=True) if isinstance(why, str)}
    return replace(objects, zookeeper=views, unreachable=failed)


async def _try_zookeeper(pod: Pod, access: ServerAccess) -> ZooKeeperView | str:
    try:
        server = await read_zookeeper(pod.address, ZOOKEEPER_PORT, access)
    except ZooKeeperUnreachable as error:
        return str(error)[:300]
    return ZooKeeperView(server.mode, server.members, server.version, server.certified_at)


async def _observe_troubles(kube: KubeApi, names: Names) -> dict[str, str]:
    """The last warning that Kubernetes has about each pod, by its uid, or each volume, by its name: why it does not come up."""
    troubles: dict[str, str] = {}
    events = await kube.list("v1", "Event", names.namespace)
    for event in sorted(events, key=lambda e: e.get("lastTimestamp") or e.get("eventTime") or ""):
        about = event.get("involvedObject", {})
        if event.get("type") == "Warning":
            key = about.get("uid") if about.get("kind") == "Pod" else about.get("name")
            troubles[str(key)] = str(event.get("message", "")).strip()[:200]
    return troubles


def _build_pod(pod: Manifest, troubles: Mapping[str, str]) -> Pod:
    metadata, is_ready = pod["metadata"], _is_ready(pod)
    return Pod(
        name=metadata["name"],
        ordinal=int(metadata["name"].rsplit("-", 1)[1]),
        uid=metadata["uid"],
        address=(pod.get("status") or {}).get("podIP", ""),
        template=(metadata.get("annotations") or {}).get(TEMPLATE, ""),
        is_ready=is_ready,
        is_leaving="deletionTimestamp" in metadata,
        node=pod["spec"].get("nodeName", ""),
        unready_since=read_unready_since(pod),
        trouble="" if is_ready else troubles.get(metadata["uid"], "") or troubles.get(f"data-{metadata['name']}", ""),
    )


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _read_passwords(secret: Manifest | None) -> Passwords | None:
    if secret is None:
        return None
    values = read_secret(secret)
    return Passwords(values["application"], values["admin"])


def _read_epoch(config_map: Manifest | None) -> Epoch | None:
    data = _data(config_map)
    return Epoch(int(data.get("epoch", "0")), data.get("member", "")) if config_map else None


def _data(config_map: Manifest | None) -> dict[str, str]:
    return (config_map or {}).get("data") or {}
