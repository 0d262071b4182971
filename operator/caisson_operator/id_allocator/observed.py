"""Everything that a decision about one allocator rests on, read once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from caisson_operator.core.backend import BackendSeen
from caisson_operator.core.certificates import Authority, ServerCertificate
from caisson_operator.core.objects import read_secret
from caisson_operator.core.rollbacks import Rollback

from .manifests import TOKEN

TOKEN_UNUSABLE, AUTHORITY_UNUSABLE = "TokenUnusable", "AuthorityUnusable"


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
class Token:
    value: str = field(repr=False)
    secret_uid: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a Secret cannot be used, and what a person can do about it."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Observed:
    contents: Mapping[tuple[str, str], str]
    """The content's hash of each object that exists, by kind and name."""
    backend: BackendSeen
    replicas: int | None = None
    """Of the Deployment; None: there is none."""
    is_rolled_out: bool = True
    pods: tuple[ServerPod, ...] = field(default=())
    now: datetime = field(kw_only=True)
    token: Token | None = None
    """What the servers ask of who wants ids; None: it is still to be made, or there is a `token_trouble`."""
    token_trouble: Trouble | None = None
    authority: Authority | None = None
    """Who vouches for what the servers show; as the token."""
    authority_trouble: Trouble | None = None
    certificate: ServerCertificate | None = None
    rollbacks: tuple[Rollback, ...] = ()
    """Of wall clocks, as the store has them from servers and applications."""
    rollbacks_unknown: str = ""
    """Why the store was not asked for them, or did not tell."""


def read_token(secret: Mapping[str, Any] | None, uid: str) -> tuple[Token | None, Trouble | None]:
    """The token, and what is wrong with its Secret. A stranger's Secret is not taken over: others know what is in it."""
    if secret is None:
        return None, None
    metadata = secret["metadata"]
    if not is_owned_by(secret, uid):
        return None, Trouble(TOKEN_UNUSABLE, not_owned(metadata["name"], "token"))
    token = read_secret(secret).get(TOKEN)
    if token:
        return Token(token, metadata.get("uid", "")), None
    told = f"Secret {metadata['name']} has no entry {TOKEN!r}: delete it to have another one made"
    return None, Trouble(TOKEN_UNUSABLE, told)


def not_owned(name: str, what: str) -> str:
    return f"Secret {name}, where the servers' {what} belongs, is not this allocator's: delete or rename it"


def is_owned_by(manifest: Mapping[str, Any] | None, uid: str) -> bool:
    owners = (manifest or {}).get("metadata", {}).get("ownerReferences", ())
    return any(owner["uid"] == uid for owner in owners)
