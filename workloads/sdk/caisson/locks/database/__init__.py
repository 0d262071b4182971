"""Locks in tables of any PostgreSQL: leases by the server's clock, a queue, and a notification for whoever is next."""

from pathlib import Path

from caisson.binding import binding_reader, read_server
from caisson.locks.policy import Policy

from .server import Server
from .store import DatabaseStore

__all__ = ["DatabaseStore", "Server", "open_database", "open_database_url"]


def open_database(directory: Path, policy: Policy) -> DatabaseStore:
    """The database of a binding, in which the operator has made the tables and opened the space."""
    return DatabaseStore(Server(lambda: read_server(directory)), policy, is_managed=True)


def open_database_url(url: str, policy: Policy) -> DatabaseStore:
    """Any database. The tables are made by whoever comes first."""
    return DatabaseStore(Server(binding_reader(None, None, url)), policy, is_managed=False)
