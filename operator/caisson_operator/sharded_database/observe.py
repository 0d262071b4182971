"""Read everything about one database once: its Kubernetes objects, then every shard's primary. Reads only."""

import asyncio
import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import psycopg

from caisson_operator.core.content import content_of, identity_of
from caisson_operator.core.layout import FIRST_MEMBER_ROLES, Login
from caisson_operator.core.pods import read_unready_since
from caisson_operator.core.volumes import read_claimed_size
from caisson_operator.effects.key_secrets import read_authority, read_certificate
from caisson_operator.effects.kube import KubeApi, Manifest, ObjectRef
from caisson_operator.effects.postgres.sessions import Sessions
from caisson_operator.effects.volumes import observe_volume

from .credentials import COMING, build_login_password, read_credentials
from .manifests.names import (
    DATABASE_LABEL,
    KIND,
    KIND_LABEL,
    ROLE_LABEL,
    SHARD_LABEL,
    ShardNames,
    authority_name,
    binding_name,
    credentials_name,
)
from .manifests.secrets import read_login
from .manifests.stateful_set import TEMPLATE
from .member_credentials import read_member_passwords
from .observe_nodes import observe_cordoned
from .observe_patroni import observe_patroni
from .observe_shards import observe_shard
from .observed import Objects, Observed, Pod, Shard
from .patroni_state import read_member_state
from .wanted import Wanted

_LISTED = (
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("apps/v1", "StatefulSet"),
)


async def observe_objects(kube: KubeApi, wanted: Wanted, reads_nodes: bool = False) -> Objects:
    """The database's objects, by label; its Secrets by name, since the operator may not list Secrets."""
    name, namespace = wanted.database.name, wanted.database.namespace
    labels = {KIND_LABEL: KIND, DATABASE_LABEL: name}
    credentials, authority, binding, *certificates = await _read_secrets(kube, wanted)
    login = read_login(credentials)
    lists = await asyncio.gather(*(kube.list(version, kind, namespace, labels) for version, kind in _LISTED))
    listed = [item for items in lists for item in items]
    claims = await kube.list("v1", "PersistentVolumeClaim", namespace, labels)
    pods = [build_pod(pod) for pod in await kube.list("v1", "Pod", namespace, labels)]
    unready = {pod.shard for pod in pods if not pod.is_ready} | {shard for shard in wanted.shards if not pods}
    troubles = (
        await _observe_troubles(kube, wanted) if unready or len(pods) < len(wanted.shards) * wanted.members else {}
    )
    patroni, ready = await observe_patroni(kube, wanted), {pod.name for pod in pods if pod.is_ready}
    return Objects(
        has_credentials=credentials is not None,
        login=login,
        operator_rotation=_read_key(credentials, "rotation"),
        coming_rotation=_read_key(credentials, f"{COMING}rotation"),
        **_read_members(credentials),
        passwords=_build_passwords(credentials, (login, login.follow(wanted.rotation))),
        secret_uids={m["metadata"]["name"]: m["metadata"]["uid"] for m in (credentials, authority) if m},
        has_volumes=bool(claims),
        volumes=tuple([await observe_volume(kube, claim, ready, reads_nodes, _shard(claim)) for claim in claims]),
        authority=read_authority(authority),
        certificates={
            shard: found
            for shard, secret in zip(wanted.shards, certificates, strict=True)
            if (found := read_certificate(secret))
        },
        contents={identity_of(m): content_of(m) for m in [*listed, *filter(None, (credentials, authority, binding))]},
        claimed_sizes={_shard(m): read_claimed_size(m) for m in listed if m["kind"] == "StatefulSet"},
        pods=tuple(sorted(pods, key=lambda pod: pod.name)),
        settings=patroni.settings,
        patroni=patroni.states,
        cordoned=await observe_cordoned(kube, (pod.node for pod in pods)) if reads_nodes else frozenset(),
        troubles=troubles,
    )


async def _read_secrets(kube: KubeApi, wanted: Wanted) -> list[Manifest | None]:
    """Credentials, authority and binding of the database, then the certificate of each shard."""
    name = wanted.database.name
    certificates = (ShardNames(name, shard).certificate for shard in wanted.shards)
    names = (credentials_name(name), authority_name(name), binding_name(name), *certificates)
    refs = (ObjectRef("v1", "Secret", wanted.database.namespace, each) for each in names)
    return await asyncio.gather(*(kube.get(ref) for ref in refs))


async def observe_database(
    kube: KubeApi, sessions: Sessions | None, wanted: Wanted, now: datetime, reads_nodes: bool = False
) -> Observed:
    """`sessions` is None while there are no credentials. A shard that cannot be read is a finding, not a failure."""
    objects = await observe_objects(kube, wanted, reads_nodes)
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
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    return Pod(
        name=metadata["name"],
        shard=labels.get(SHARD_LABEL, ""),
        role=labels.get(ROLE_LABEL, ""),
        is_ready=conditions.get("Ready") == "True",
        is_running=_is_running(pod, conditions),
        told=read_member_state(annotations.get("status")),
        uid=metadata.get("uid", ""),
        template=annotations.get(TEMPLATE, ""),
        node=pod.get("spec", {}).get("nodeName", ""),
        is_leaving="deletionTimestamp" in metadata,
        unready_since=read_unready_since(pod),
    )


def _is_running(pod: Manifest, conditions: Mapping[str, str]) -> bool:
    """Of a node that is not heard of any more, Kubernetes says that its pods are not ready, and lets all else stand."""
    containers = pod.get("status", {}).get("containerStatuses", [])
    is_node_lost = conditions.get("Ready") != "True" and conditions.get("ContainersReady") == "True"
    is_going = "deletionTimestamp" in pod["metadata"]
    return not is_going and not is_node_lost and any("running" in c.get("state", {}) for c in containers)


def _conditions(pod: Manifest) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in pod.get("status", {}).get("conditions", [])}


def _shard(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"].get("labels", {}).get(SHARD_LABEL, ""))


def _read_key(secret: Manifest | None, key: str) -> str:
    return base64.b64decode(secret["data"].get(key, "")).decode() if secret else ""


def _read_members(secret: Manifest | None) -> dict[str, Any]:
    """As fields of Objects, without a password."""
    found = read_member_passwords(secret["data"]) if secret else None
    if not found:
        return {}
    return {
        "member_rotation": found.now.rotation,
        "coming_member_rotation": found.coming.rotation if found.coming else None,
        "previous_member_rotation": found.previous.rotation if found.previous else None,
        "member_roles": found.now.roles.names if found.now.roles else FIRST_MEMBER_ROLES,
        "coming_member_roles": found.coming.roles.names if found.coming and found.coming.roles else (),
    }


def _build_passwords(secret: Manifest | None, logins: Iterable[Login]) -> dict[Login, str]:
    credentials = read_credentials(secret["data"]) if secret else None
    return {login: build_login_password(credentials, login) for login in logins} if credentials else {}
