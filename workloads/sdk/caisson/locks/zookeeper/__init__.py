"""Locks on ZooKeeper: ephemeral sequential nodes under a parent for each name, which is made once and never removed."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from caisson.binding import find_authority, read_entry
from caisson.errors import ConfigurationError
from caisson.locks.policy import Policy

from .session import Target
from .store import ZooKeeperStore

__all__ = ["Target", "ZooKeeperStore", "open_zookeeper", "open_zookeeper_url"]


def open_zookeeper(directory: Path, policy: Policy) -> ZooKeeperStore:
    """The ensemble of a binding, in which the operator opens the space. Connects at once, to learn what session it grants."""
    username = read_entry(directory, "username", "") or None
    password = read_entry(directory, "password", "") or None
    target = Target(read_entry(directory, "hosts"), username, password, find_authority(directory))
    return ZooKeeperStore(target, policy.space, policy.lease_seconds, makes_space=False)


def open_zookeeper_url(url: str, policy: Policy) -> ZooKeeperStore:
    """`zookeeper://USER:PASSWORD@HOST:PORT,HOST:PORT`, the user being optional. The space is made by whoever comes first."""
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    if not hosts:
        raise ConfigurationError("the url names no server: zookeeper://HOST:PORT,HOST:PORT")
    target = Target(hosts, unquote(username) or None, unquote(password) or None)
    return ZooKeeperStore(target, policy.space, policy.lease_seconds, makes_space=True)
