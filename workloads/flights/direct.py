"""Plain connections to every shard, beside the SDK: a witness must not share the faults of what it watches."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

CONNECT_SECONDS = 3
READ_SHARDS = "SELECT shard, host, port FROM caisson.shards ORDER BY shard"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a mounted Service Binding says."""

    database: str
    username: str
    password: str = field(repr=False)
    authority: Path | None  # the certificate that vouches for the servers
    shards: Mapping[str, tuple[str, int]]


def read_binding(name: str, root: Path | None = None) -> Binding:
    """The binding of this name below $SERVICE_BINDING_ROOT."""
    folder = (root or Path(os.environ["SERVICE_BINDING_ROOT"])) / name
    shards = json.loads((folder / "shards").read_text())
    authority = folder / "ca.crt"
    return Binding(
        database=(folder / "database").read_text().strip(),
        username=(folder / "username").read_text().strip(),
        password=(folder / "password").read_text().strip(),
        authority=authority if authority.is_file() else None,
        shards={shard["shard"]: (shard["host"], int(shard["port"])) for shard in shards},
    )


def connect(binding: Binding, host: str, port: int) -> psycopg.Connection:
    return psycopg.connect(
        host=host,
        port=port,
        dbname=binding.database,
        user=binding.username,
        password=binding.password,
        sslmode="verify-full" if binding.authority else None,
        sslrootcert=str(binding.authority) if binding.authority else None,
        connect_timeout=CONNECT_SECONDS,
        options="-c timezone=UTC",
        autocommit=True,
        keepalives_idle=2,
        keepalives_interval=1,
        keepalives_count=2,
        tcp_user_timeout=3000,
    )


def all_shards(binding: Binding) -> dict[str, tuple[str, int]]:
    """Every shard that the first one knows of: the binding may be older than the last expansion."""
    host, port = next(iter(binding.shards.values()))
    with connect(binding, host, port) as connection:
        rows = connection.execute(READ_SHARDS).fetchall()
    return {shard: (host, port) for shard, host, port in rows}


@contextmanager
def every_shard(binding: Binding) -> Iterator[dict[str, psycopg.Connection]]:
    """A connection to every shard, all of which must answer."""
    connections: dict[str, psycopg.Connection] = {}
    try:
        for shard, (host, port) in all_shards(binding).items():
            connections[shard] = connect(binding, host, port)
        yield connections
    finally:
        for connection in connections.values():
            connection.close()
