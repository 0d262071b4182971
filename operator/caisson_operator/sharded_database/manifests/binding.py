"""The binding: what applications mount, in the words of the Service Binding specification. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from caisson_operator.core.certificates import AUTHORITY_KEY
from caisson_operator.core.layout import DATABASE, ShardAddress

from .inputs import BindingInput, DatabaseIdentity
from .names import binding_name, database_labels, owned_metadata
from .secrets import secret

TYPE, PROVIDER = "postgresql", "caisson"
# The server's certificate must be of our authority, and be for the name that was asked for.
SSL_MODE = "verify-full"


def build_binding(
    database: DatabaseIdentity, addresses: Sequence[ShardAddress], binding: BindingInput
) -> dict[str, Any]:
    """Where to begin: the first shard for any client of the specification, every shard for one that routes.

    `sslrootcert` is a file of the binding itself, since nobody knows yet where it will be mounted.
    """
    first, role, password = addresses[0], binding.login.role, binding.password
    values = {
        "type": TYPE,
        "provider": PROVIDER,
        "host": first.host,
        "port": str(first.port),
        "database": DATABASE,
        "username": role,
        "password": password,
        "uri": f"postgresql://{role}:{quote(password, safe='')}@{first.host}:{first.port}/{DATABASE}"
        f"?sslmode={SSL_MODE}",
        "sslmode": SSL_MODE,
        "sslrootcert": AUTHORITY_KEY,
        AUTHORITY_KEY: binding.authority,
        "shards": json.dumps([asdict(address) for address in addresses]),
    }
    metadata = owned_metadata(database, binding_name(database.name), database_labels(database))
    return secret(metadata, f"servicebinding.io/{TYPE}", values)
