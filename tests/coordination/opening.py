"""Opens a lock store by names, for processes that are started with arguments."""

from pathlib import Path

from caisson.binding import binding_reader
from caisson.locks.database import DatabaseStore, Server
from caisson.locks.policy import Policy
from caisson.locks.store import LockStore
from caisson.locks.zookeeper import Target, ZooKeeperStore


def open_store(backend: str, target: str, space: str, lease_seconds: float) -> LockStore:
    match backend:
        case "zookeeper":
            return ZooKeeperStore(read_target(target), space, lease_seconds, makes_space=True, start_seconds=30)
        case "database":
            return open_database(target, space, lease_seconds)
    raise ValueError(f"no backend {backend}")


def read_target(text: str) -> Target:
    """HOSTS, or HOSTS#AUTHORITY where they speak TLS: see coordination.zookeeper."""
    hosts, _, authority = text.partition("#")
    return Target(hosts, authority=Path(authority) if authority else None)


def open_database(dsn: str, space: str, lease_seconds: float, *, is_managed: bool = False) -> DatabaseStore:
    return DatabaseStore(Server(binding_reader(None, None, dsn)), Policy(space, lease_seconds), is_managed=is_managed)
