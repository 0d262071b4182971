"""Bindings of allocators as the operator writes them, for the local PostgreSQL."""

from pathlib import Path

from postgres.clusters import Cluster


def write_binding(root: Path, name: str, server: Cluster, **more: str) -> Path:
    """The directory that a mounted Secret would be."""
    entries = {
        "type": "caisson-ids", "provider": "caisson", "backend": "database", "host": "127.0.0.1", "port": str(server.port),
        "database": "app", "username": "postgres", "password": "none", "mode": "snowflake", "space": f"demo/{name}", **more,
    }  # fmt: skip
    path = root / name
    path.mkdir()
    for key, value in entries.items():
        (path / key).write_text(value)
    return path
