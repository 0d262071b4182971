"""Secrets as manifests. Pure; what the passwords are is decided in credentials.py."""

import base64
from collections.abc import Mapping
from typing import Any

from caisson_operator.sharded_database.credentials import Credentials

from .inputs import DatabaseIdentity
from .names import credentials_name, database_labels, kept_metadata, metadata_beside_volumes


def build_credentials_secret(database: DatabaseIdentity, credentials: Credentials) -> dict[str, Any]:
    """Created where there is none and never applied: the volumes open with the passwords of their first day.

    It names no owner, since what a create has set no later apply takes away; see `build_credentials_ownership`.
    """
    metadata = kept_metadata(database, credentials_name(database.name), database_labels(database))
    return secret(metadata, "Opaque", credentials.to_keys())


def build_credentials_ownership(database: DatabaseIdentity) -> dict[str, Any]:
    """Applied to the Secret that exists: whose it is follows deletionPolicy, and its data are nobody's to apply."""
    metadata = metadata_beside_volumes(database, credentials_name(database.name), database_labels(database))
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}


def secret(metadata: Mapping[str, Any], kind: str, values: Mapping[str, str]) -> dict[str, Any]:
    """`data`, not `stringData`: the server never gives the latter back, so that its ownership is lost."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": dict(metadata), "type": kind, "data": data}
