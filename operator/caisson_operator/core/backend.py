"""The store that another kind's resource keeps its state in: which object it is, and whether it is of use. Pure.

Locks and ids name a BackingCluster, a ShardedDatabase or a Secret of their namespace; all they need of it stands in its binding.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .decisions import Decision, Refuse, Settled, Wait

LOOK_AGAIN_SECONDS = 5.0
CLUSTER, DATABASE, SECRET = "BackingCluster", "ShardedDatabase", "Secret"


@dataclass(frozen=True, slots=True)
class BackendWanted:
    """`type` as the resource says it: redis, redlock, zookeeper or database. `kind` and `name` are the object's."""

    type: str
    kind: str
    name: str

    @property
    def told(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class BackendSeen:
    """`manifest` is the resource (none for a Secret), `entries` what its binding says; None: not there."""

    manifest: Mapping[str, Any] | None = None
    entries: Mapping[str, str] | None = None


def judge_backend(wanted: BackendWanted, seen: BackendSeen, topologies: Collection[str]) -> Decision:
    """Settled where it can be used. `topologies` are those of Redis that will do."""
    if wanted.kind == SECRET:
        return _judge_secret(wanted, seen)
    if seen.manifest is None:
        return Wait("BackendNotFound", f"there is no {wanted.told} in this namespace", LOOK_AGAIN_SECONDS)
    if wanted.kind == CLUSTER and (trouble := _find_mismatch(wanted, seen.manifest["spec"], topologies)):
        return Refuse("BackendWrongType", f"{wanted.told} {trouble}: name another one")
    ready = _find_ready(seen.manifest)
    if ready.get("status") != "True" or seen.entries is None:
        told = ready.get("message") or "it has not said that it serves"
        return Wait("BackendNotReady", f"{wanted.told}: {told}"[:1000], LOOK_AGAIN_SECONDS)
    return Settled()


def _judge_secret(wanted: BackendWanted, seen: BackendSeen) -> Decision:
    if seen.entries is None:
        return Wait("BackendNotFound", f"there is no {wanted.told} in this namespace", LOOK_AGAIN_SECONDS)
    if "uri" not in seen.entries:
        return Refuse("BackendWrongType", f"{wanted.told} has no key uri, a PostgreSQL connection string")
    return Settled()


def _find_mismatch(wanted: BackendWanted, spec: Mapping[str, Any], topologies: Collection[str]) -> str:
    engine = "zookeeper" if wanted.type == "zookeeper" else "redis"
    if spec["type"] != engine:
        return f"is of type {spec['type']}, and backend.type {wanted.type} needs {engine}"
    topology = spec.get("topology", "replicated")
    if engine == "redis" and topology not in topologies:
        return f"has topology {topology}, and backend.type {wanted.type} needs {' or '.join(topologies)}"
    return ""


def _find_ready(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = (manifest.get("status") or {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == "Ready"), {})
