"""Lock stores on Redis, from a binding or a url."""

from pathlib import Path

from caisson.errors import ConfigurationError
from caisson.locks.policy import Policy
from caisson.locks.redis_dialing import dial_member, dial_primary, read_binding, read_url
from caisson.locks.redis_link import Link
from caisson.locks.redis_store import EPOCH_KEY, RedisStore, patience_seconds
from caisson.locks.redlock_nodes import Nodes
from caisson.locks.redlock_store import RedlockStore


def open_redis(directory: Path, policy: Policy) -> RedisStore:
    """The primary that the binding's Sentinels know, or its one server."""
    dial = dial_primary(lambda: read_binding(directory), patience_seconds(policy.lease_seconds))
    return RedisStore(Link(dial), policy)


def open_redis_url(url: str, policy: Policy, *, is_managed: bool) -> RedisStore:
    binding = read_url(url)
    return RedisStore(
        Link(dial_primary(lambda: binding, patience_seconds(policy.lease_seconds))), policy, is_managed=is_managed
    )


def open_redlock(directory: Path, policy: Policy) -> RedlockStore:
    """All members of the binding, each a primary. Raises ConfigurationError unless they are three or more, and odd."""
    count = len(read_binding(directory).members)
    if count < 3 or count % 2 == 0:
        raise ConfigurationError(
            f"Redlock needs an odd number of independent servers, 3 at least: the binding {directory} has {count}"
        )
    patience = patience_seconds(policy.lease_seconds)
    links = [Link(dial_member(lambda: read_binding(directory), number, patience)) for number in range(count)]
    return RedlockStore(Nodes(links, EPOCH_KEY, is_managed=True), policy)
