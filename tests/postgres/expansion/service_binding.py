"""A Service Binding of local clusters, as the operator writes it."""

import json
from collections.abc import Sequence
from pathlib import Path

from postgres.clusters import DATABASE, Cluster


def write_binding(path: Path, clusters: Sequence[Cluster]) -> Path:
    """The directory that `SERVICE_BINDING_ROOT` would hold. Shards that come later are learned from the shards."""
    path.mkdir(parents=True, exist_ok=True)
    shards = [
        {"shard": f"s{number}", "host": "127.0.0.1", "port": cluster.port} for number, cluster in enumerate(clusters)
    ]
    entries = {
        "type": "postgresql",
        "host": "127.0.0.1",
        "port": str(clusters[0].port),
        "database": DATABASE,
        "username": "caisson_app",
        "password": "unused",
        "shards": json.dumps(shards),
    }
    for name, text in entries.items():
        (path / name).write_text(text)
    return path
