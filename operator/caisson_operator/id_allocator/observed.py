"""Everything that a decision about one allocator rests on, read once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from caisson_operator.core.backend import BackendSeen
from caisson_operator.core.objects import read_secret

from .manifests import TOKEN


@dataclass(frozen=True, slots=True)
class ServerCounts:
    """What a server tells of itself since it was started."""

    allocated: int
    clock_rollbacks: int
    leased: int | None = None
    """Worker ids of the whole space that have an owner, and `worker_ids` that there are; of mode snowflake."""
    worker_ids: int | None = None


def read_counts_of(told: Mapping[str, int] | None) -> ServerCounts | None:
    """None where it did not answer, or is something else."""
    if told is None or not {"allocated_total", "clock_rollback_total"} <= told.keys():
        return None
    leased, worker_ids = told.get("worker_ids_leased"), told.get("worker_ids")
    return ServerCounts(told["allocated_total"], told["clock_rollback_total"], leased, worker_ids)


@dataclass(frozen=True, slots=True)
class ServerPod:
    name: str
    address: str | None
    is_ready: bool
    counts: ServerCounts | None = None
    """None: it did not answer."""


@dataclass(frozen=True, slots=True)
class Observed:
    contents: Mapping[tuple[str, str], str]
    """The content's hash of each object that exists, by kind and name."""
    backend: BackendSeen
    replicas: int | None = None
    """Of the Deployment; None: there is none."""
    is_rolled_out: bool = True
    pods: tuple[ServerPod, ...] = field(default=())
    token: str | None = None
    """What the servers ask of who wants ids; None: it is still to be made."""
    token_trouble: str | None = None
    """Why the Secret of the token's name cannot be used."""


def read_token(secret: Mapping[str, Any] | None, uid: str) -> tuple[str | None, str | None]:
    """The token, and what is wrong with its Secret. A stranger's Secret is not taken over: others know what is in it."""
    if secret is None:
        return None, None
    name = secret["metadata"]["name"]
    if not is_owned_by(secret, uid):
        return None, f"Secret {name}, where the servers' token belongs, is not this allocator's: delete or rename it"
    token = read_secret(secret).get(TOKEN)
    return (
        (token, None) if token else (None, f"Secret {name} has no entry {TOKEN!r}: delete it to have another one made")
    )


def is_owned_by(manifest: Mapping[str, Any] | None, uid: str) -> bool:
    owners = (manifest or {}).get("metadata", {}).get("ownerReferences", ())
    return any(owner["uid"] == uid for owner in owners)
