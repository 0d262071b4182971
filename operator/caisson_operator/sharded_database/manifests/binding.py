"""The binding: what applications mount, in the words of the Service Binding specification. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from caisson_operator.core.layout import APPLICATION_ROLE, DATABASE, ShardAddress

from .inputs import DatabaseIdentity
from .names import binding_name, database_labels, owned_metadata
from .secrets import secret

TYPE, PROVIDER = "postgresql", "caisson"


def build_binding(database: DatabaseIdentity, addresses: Sequence[ShardAddress], password: str) -> dict[str, Any]:
    """Where to begin: the first shard for any client of the specification, every shard for one that routes."""
    first = addresses[0]
    values = {
        "type": TYPE,
        "provider": PROVIDER,
        "host": first.host,
        "port": str(first.port),
        "database": DATABASE,
        "username": APPLICATION_ROLE,
        "password": password,
        "uri": f"postgresql://{APPLICATION_ROLE}:{quote(password, safe='')}@{first.host}:{first.port}/{DATABASE}",
        "shards": json.dumps([asdict(address) for address in addresses]),
    }
    metadata = owned_metadata(database, binding_name(database.name), database_labels(database))
    return secret(metadata, f"servicebinding.io/{TYPE}", values)
