"""The Kubernetes API as the operator uses it: plain manifests in and out, each request with a timeout.

What is ours is written by server-side apply under one field manager, so that what others have set (a scaler, a
person's label) stays theirs. Nothing here decides anything.

    KubeError                 the API server said no, or nothing
    +-- Conflict              somebody was there first: exists already, or has changed since it was read
    +-- Forbidden             the operator's role does not allow it
    +-- Unreachable           no answer within the timeout; whether it was done is unknown
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient

Manifest = dict[str, Any]

FIELD_MANAGER = "caisson"
STATUS_MANAGER = "caisson-status"
REQUEST_TIMEOUT_SECONDS = 10.0

_PLURALS = {
    "BackingCluster": "backingclusters",
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "DistributedLock": "distributedlocks",
    "Endpoints": "endpoints",
    "Event": "events",
    "IdAllocator": "idallocators",
    "Lease": "leases",
    "Node": "nodes",
    "PersistentVolume": "persistentvolumes",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "ShardedDatabase": "shardeddatabases",
    "StatefulSet": "statefulsets",
}


class KubeError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status


class Conflict(KubeError):
    pass


class Forbidden(KubeError):
    pass


class Unreachable(KubeError):
    pass


_ERRORS: dict[int, type[KubeError]] = {409: Conflict, 403: Forbidden}


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Where one object is. Those that belong to the whole cluster have an empty namespace."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "ObjectRef":
        metadata = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], metadata["namespace"], metadata["name"])


class KubeApi:
    """A thin client of namespaced objects. Absence is an answer (None), every other refusal a KubeError."""

    def __init__(self, client: ApiClient, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds

    async def get(self, ref: ObjectRef, timeout_seconds: float | None = None) -> Manifest | None:
        return await self._optional("GET", _path_of(ref), timeout_seconds=timeout_seconds)

    async def list(
        self, api_version: str, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """All of a kind, in one namespace or in all, with these labels. Items carry their apiVersion and kind."""
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else {}
        answer = await self._request("GET", _collection_path(api_version, kind, namespace), query)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in answer["items"]]

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply: make it, or make it so. What we named before and name no more is taken away."""
        return await self._apply(_path_of(ObjectRef.of(manifest)), manifest, FIELD_MANAGER)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Server-side apply of `status` alone, under a manager of its own: the spec's owner is not disturbed."""
        return await self._apply(_path_of(ObjectRef.of(manifest)) + "/status", manifest, STATUS_MANAGER)

    async def create(self, manifest: Manifest, timeout_seconds: float | None = None) -> Manifest:
        """Raises Conflict if there is one of that name."""
        path = _collection_path(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["namespace"])
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("POST", path, query, manifest, timeout_seconds=timeout_seconds)

    async def create_once(self, manifest: Manifest) -> bool:
        """Make it unless there is one of that name, which is then left exactly as it is. True if it was made."""
        try:
            await self.create(manifest)
        except Conflict:
            return False
        return True

    async def replace(self, manifest: Manifest, timeout_seconds: float | None = None) -> Manifest:
        """Compare-and-set: raises Conflict unless `metadata.resourceVersion` is still the current one."""
        path = _path_of(ObjectRef.of(manifest))
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("PUT", path, query, manifest, timeout_seconds=timeout_seconds)

    async def merge_patch(self, ref: ObjectRef, change: Manifest) -> bool:
        """Change what `change` names, of an object that is there; False if there is none. Raises Conflict if its `uid` differs."""
        options = {"body": change, "content_type": "application/merge-patch+json"}
        return (
            await self._optional("PATCH", _path_of(ref), query={"fieldManager": FIELD_MANAGER}, **options) is not None
        )

    async def delete(self, ref: ObjectRef, uid: str | None = None) -> bool:
        """False if there was none. What it owns goes in the background. Raises Conflict if its `uid` is another one."""
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        return await self._optional("DELETE", _path_of(ref), body=options) is not None

    async def evict(self, pod: ObjectRef, uid: str) -> bool:
        """True if it goes, or has gone: there may be another one of its name. False if a disruption budget keeps it."""
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        try:
            await self._request("POST", f"{_path_of(pod)}/eviction", body=eviction)
        except KubeError as error:
            if error.status == 429:
                return False
            if error.status not in (404, 409):
                raise
        return True

    async def _apply(self, path: str, manifest: Manifest, manager: str) -> Manifest:
        query = {"fieldManager": manager, "force": "true"}
        return await self._request("PATCH", path, query, manifest, content_type="application/apply-patch+yaml")

    async def _optional(self, method: str, path: str, **options: Any) -> Manifest | None:
        try:
            return await self._request(method, path, **options)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        *,
        content_type: str = "application/json",
        timeout_seconds: float | None = None,
    ) -> Manifest:
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        serialized = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        timeout = aiohttp.ClientTimeout(total=timeout_seconds or self._timeout_seconds)
        try:
            response = await self._client.call_api(*serialized, _request_timeout=timeout)
            data = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(0, f"{method} {path}: {error or type(error).__name__}") from error
        if response.status >= 400:
            raise _ERRORS.get(response.status, KubeError)(response.status, _explanation(data))
        answer: Manifest = json.loads(data)
        return answer


def _collection_path(api_version: str, kind: str, namespace: str | None) -> str:
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{_PLURALS[kind]}"


def _path_of(ref: ObjectRef) -> str:
    return f"{_collection_path(ref.api_version, ref.kind, ref.namespace)}/{ref.name}"


def _explanation(data: bytes) -> str:
    """The `message` of the Status object that the API server answers with; a proxy in between may answer otherwise."""
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode(errors="replace")
