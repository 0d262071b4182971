"""Secrets as manifests. Pure; what the passwords are is decided in credentials.py, keys are made in effects."""

import base64
from collections.abc import Mapping
from typing import Any

from caisson_operator.core.certificates import build_key_secret
from caisson_operator.core.layout import LOGIN_ROLES, Login
from caisson_operator.sharded_database.credentials import Credentials

from .inputs import DatabaseIdentity
from .names import (
    ShardNames,
    authority_name,
    credentials_name,
    database_labels,
    kept_metadata,
    metadata_beside_volumes,
    owned_metadata,
    shard_labels,
)

LOGIN = "caisson.dev/login"


def build_credentials_secret(database: DatabaseIdentity, credentials: Credentials) -> dict[str, Any]:
    """Created where there is none and never applied: the volumes open with the passwords of their first day.

    It names no owner, since what a create has set no later apply takes away; see `build_secret_ownerships`.
    """
    metadata = kept_metadata(database, credentials_name(database.name), database_labels(database))
    return secret(metadata, "Opaque", credentials.to_keys())


def build_authority_secret(database: DatabaseIdentity, certificate: str, key: str) -> dict[str, Any]:
    """As that of the credentials: created where there is none and never applied, since clients hold on to what it says."""
    metadata = kept_metadata(database, authority_name(database.name), database_labels(database))
    return build_key_secret(metadata, certificate, key)


def build_secret_ownerships(
    database: DatabaseIdentity, login: Login, uids: Mapping[str, str]
) -> tuple[dict[str, Any], ...]:
    """Applied to the Secrets that exist: whose they are follows deletionPolicy, and their data are nobody's to apply.

    `uids` are of those that were seen, by name: the server refuses to apply to one that has gone since, and makes no empty one.
    That of the credentials notes whom the binding names: it outlives the binding, and the roles of the volumes are as it says.
    """
    labels = database_labels(database)
    credentials = metadata_beside_volumes(database, credentials_name(database.name), labels)
    credentials["annotations"] = {LOGIN: f"{login.role} {login.rotation}"}
    authority = metadata_beside_volumes(database, authority_name(database.name), labels)
    return tuple(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {**each, "uid": uids[each["name"]]}}
        for each in (credentials, authority)
        if each["name"] in uids
    )


def read_login(credentials: Mapping[str, Any] | None) -> Login:
    """What the Secret of credentials notes."""
    noted = ((credentials or {}).get("metadata", {}).get("annotations") or {}).get(LOGIN, "")
    role, _, rotation = noted.partition(" ")
    return Login(role, rotation) if role in LOGIN_ROLES else Login()


def build_certificate_secret(
    database: DatabaseIdentity, shard: str, certificate: str, key: str, authority: str
) -> dict[str, Any]:
    """What the members of a shard mount. It goes with the resource: another is issued in a moment."""
    metadata = owned_metadata(database, ShardNames(database.name, shard).certificate, shard_labels(database, shard))
    return build_key_secret(metadata, certificate, key, authority)


def secret(metadata: Mapping[str, Any], kind: str, values: Mapping[str, str]) -> dict[str, Any]:
    """`data`, not `stringData`: the server never gives the latter back, so that its ownership is lost."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": dict(metadata), "type": kind, "data": data}
