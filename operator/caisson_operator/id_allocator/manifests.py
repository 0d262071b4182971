"""What an allocator has in Kubernetes, as it is wanted: its bindings, the keys of its servers, a cluster of its own. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from caisson_operator.core.certificates import AUTHORITY_KEY, build_key_secret
from caisson_operator.core.content import stamp
from caisson_operator.core.objects import build_secret

from .names import PORT
from .server_manifests import build_deployment, build_disruption_budget, build_service
from .wanted import Wanted, name_own_cluster

TYPE, PROVIDER = "caisson-ids", "caisson"
SERVER_TYPE, TOKEN = "caisson-id-server", "token"
_NOT_TAKEN_OVER = ("type", "provider", "shards")
"""`shards`: ids are kept on the first shard, whatever others there are."""
Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """What a program needs that asks the servers: the token that they ask for, and the authority (PEM) of what they show.

    `secret_uid` is of the Secret that the token was read from.
    """

    token: str = field(repr=False)
    secret_uid: str
    authority: str


def build_objects(wanted: Wanted, entries: Mapping[str, str], access: ServerAccess | None) -> tuple[Manifest, ...]:
    """Each with its content's hash; servers where there is an `access` to them. Servers that are to go are scaled to none, not taken away."""
    made = [build_binding(wanted, entries, access)]
    if access:
        made += [build_server_binding(wanted, access), build_service(wanted), build_disruption_budget(wanted)]
        made += [build_deployment(wanted)]
    return tuple(stamp(manifest) for manifest in made)


def build_binding(wanted: Wanted, entries: Mapping[str, str], access: ServerAccess | None) -> Manifest:
    """How to allocate, how to ask the servers, and all that the backend's own binding says of how to reach it.

    `ca.crt` is the backend's, if it has one.
    """
    backend = {key: value for key, value in entries.items() if key not in _NOT_TAKEN_OVER}
    own = {"type": TYPE, "provider": PROVIDER, "backend": wanted.backend.type if wanted.backend else "none"}
    server = (
        {"server_url": wanted.names.url, "server_token": access.token, "server_ca.crt": access.authority}
        if access
        else {}
    )
    values = {**backend, **wanted.settings, **server, **own}
    return build_secret(wanted.owner.owned(wanted.names.binding), f"servicebinding.io/{TYPE}", values)


def build_token(wanted: Wanted, token: str) -> Manifest:
    """Created where there is none and never applied: who takes it away has another one made."""
    values = {"type": SERVER_TYPE, "provider": PROVIDER, TOKEN: token}
    return build_secret(wanted.owner.owned(wanted.names.token), f"servicebinding.io/{SERVER_TYPE}", values)


def build_server_binding(wanted: Wanted, access: ServerAccess) -> Manifest:
    """Applied to the Secret of the token, which stays as it was made: where the servers are, and what to verify them with.

    The uid keeps an apply from making one without a token, where somebody has just taken it away.
    """
    names = wanted.names
    values = {"host": names.host, "port": str(PORT), "uri": names.url, AUTHORITY_KEY: access.authority}
    metadata = {**wanted.owner.owned(names.token), "uid": access.secret_uid}
    return build_secret(metadata, f"servicebinding.io/{SERVER_TYPE}", values)


def build_authority(wanted: Wanted, certificate: str, key: str) -> Manifest:
    """Created where there is none and never applied: clients hold on to what it says. It goes with the allocator, as the servers do."""
    return build_key_secret(wanted.owner.owned(wanted.names.authority), certificate, key)


def build_certificate(wanted: Wanted, certificate: str, key: str, authority: str) -> Manifest:
    """What the servers mount."""
    return build_key_secret(wanted.owner.owned(wanted.names.certificate), certificate, key, authority)


def build_own_cluster(wanted: Wanted) -> Manifest:
    """The smallest that survives the loss of a member."""
    assert wanted.backend is not None
    spec = {
        "type": wanted.backend.type,
        "members": 3,
        "storage": {"size": "1Gi"},
        "deletionPolicy": "Retain" if wanted.owner.keeps_data else "Delete",
    }
    metadata = wanted.owner.owned(name_own_cluster(wanted.owner.name))
    return {"apiVersion": wanted.owner.api_version, "kind": "BackingCluster", "metadata": metadata, "spec": spec}
