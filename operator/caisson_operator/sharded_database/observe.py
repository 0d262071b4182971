"""Read everything about one database once: its Kubernetes objects, then every shard's primary. Reads only."""

import asyncio
import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg

from caisson_operator.effects.kube import KubeApi, Manifest, ObjectRef
from caisson_operator.effects.postgres.sessions import Sessions

from .manifests.names import (
    DATABASE_LABEL,
    KIND,
    KIND_LABEL,
    ROLE_LABEL,
    SHARD_LABEL,
    ShardNames,
    binding_name,
    credentials_name,
)
from .observe_patroni import observe_patroni
from .observe_shards import observe_shard
from .observed import Objects, Observed, Pod, Shard
from .patroni_state import read_member_state
from .provisioning import CONTENT
from .wanted import Wanted

_LISTED = (("v1", "Service"), ("policy/v1", "PodDisruptionBudget"), ("apps/v1", "StatefulSet"))


async def observe_objects(kube: KubeApi, wanted: Wanted) -> Objects:
    """The database's objects, by label; its Secrets by name, since the operator may not list Secrets."""
    name, namespace = wanted.database.name, wanted.database.namespace
    labels = {KIND_LABEL: KIND, DATABASE_LABEL: name}
    secrets = [
        await kube.get(ObjectRef("v1", "Secret", namespace, of)) for of in (credentials_name(name), binding_name(name))
    ]
    listed = [item for version, kind in _LISTED for item in await kube.list(version, kind, namespace, labels)]
    volumes = await kube.list("v1", "PersistentVolumeClaim", namespace, labels)
    pods = [build_pod(pod) for pod in await kube.list("v1", "Pod", namespace, labels)]
    unready = {pod.shard for pod in pods if not pod.is_ready} | {shard for shard in wanted.shards if not pods}
    troubles = (
        await _observe_troubles(kube, wanted) if unready or len(pods) < len(wanted.shards) * wanted.members else {}
    )
    patroni = await observe_patroni(kube, wanted)
    return Objects(
        has_credentials=secrets[0] is not None,
        application_password=_decode(secrets[0], "app"),
        has_volumes=bool(volumes),
        contents={(m["kind"], m["metadata"]["name"]): _content(m) for m in [*listed, *filter(None, secrets)]},
        images={_shard(m): _image(m) for m in listed if m["kind"] == "StatefulSet"},
        pods=tuple(sorted(pods, key=lambda pod: pod.name)),
        settings=patroni.settings,
        patroni=patroni.states,
        troubles=troubles,
    )


async def observe_database(kube: KubeApi, sessions: Sessions | None, wanted: Wanted, now: datetime) -> Observed:
    """`sessions` is None while there are no credentials. A shard that cannot be read is a finding, not a failure."""
    objects = await observe_objects(kube, wanted)
    if sessions is None:
        return Observed(now, objects, {})
    names = [shard for shard in wanted.shards if shard in objects.shards]
    found = await asyncio.gather(*(_try_shard(sessions, name, wanted) for name in names))
    shards = {shard.name: shard for shard in found if isinstance(shard, Shard)}
    unreachable = {name: why for name, why in zip(names, found, strict=True) if isinstance(why, str)}
    return Observed(now, objects, shards, unreachable | {k: v for k, v in objects.troubles.items() if k not in shards})


async def _try_shard(sessions: Sessions, name: str, wanted: Wanted) -> Shard | str:
    try:
        return await observe_shard(sessions, name, wanted.groups)
    except (psycopg.OperationalError, TimeoutError, OSError) as error:
        return str(error).strip().split("\n")[0][:300] or type(error).__name__


async def _observe_troubles(kube: KubeApi, wanted: Wanted) -> dict[str, str]:
    """The last warning that Kubernetes has about each shard's pods and volumes: why it does not come up."""
    events = await kube.list("v1", "Event", wanted.database.namespace)
    troubles: dict[str, str] = {}
    for event in sorted(events, key=lambda e: e.get("lastTimestamp") or e.get("eventTime") or ""):
        about = event.get("involvedObject", {}).get("name", "")
        for shard in wanted.shards:
            scope = ShardNames(wanted.database.name, shard).scope
            if event.get("type") == "Warning" and (about.startswith(f"{scope}-") or about.startswith(f"data-{scope}-")):
                troubles[shard] = f"{about}: {event.get('message', '')}"[:300]
    return troubles


def build_pod(pod: Manifest) -> Pod:
    metadata, conditions = pod["metadata"], _conditions(pod)
    labels = metadata.get("labels", {})
    return Pod(
        name=metadata["name"],
        shard=labels.get(SHARD_LABEL, ""),
        role=labels.get(ROLE_LABEL, ""),
        is_ready=conditions.get("Ready") == "True",
        is_running=_is_running(pod, conditions),
        told=read_member_state(metadata.get("annotations", {}).get("status")),
    )


def _is_running(pod: Manifest, conditions: Mapping[str, str]) -> bool:
    """Of a node that is not heard of any more, Kubernetes says that its pods are not ready, and lets all else stand."""
    containers = pod.get("status", {}).get("containerStatuses", [])
    is_node_lost = conditions.get("Ready") != "True" and conditions.get("ContainersReady") == "True"
    is_going = "deletionTimestamp" in pod["metadata"]
    return not is_going and not is_node_lost and any("running" in c.get("state", {}) for c in containers)


def _conditions(pod: Manifest) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in pod.get("status", {}).get("conditions", [])}


def _content(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"].get("annotations", {}).get(CONTENT, ""))


def _shard(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"].get("labels", {}).get(SHARD_LABEL, ""))


def _image(manifest: Mapping[str, Any]) -> str:
    return str(manifest["spec"]["template"]["spec"]["containers"][0]["image"])


def _decode(secret: Manifest | None, key: str) -> str:
    return base64.b64decode(secret["data"].get(key, "")).decode() if secret else ""
