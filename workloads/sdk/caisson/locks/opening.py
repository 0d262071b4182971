"""From a binding or a url to a lock store: which backend it is, and the space's policy.

The entries of a binding of type `caisson-lock` are in docs/how-to/hold-locks.md. Each backend is imported only where
it is used.
"""

from collections.abc import Callable
from pathlib import Path

from caisson.binding import find_directory, read_entry
from caisson.errors import ConfigurationError
from caisson.locks.policy import DEFAULT_LEASE_SECONDS, Policy
from caisson.locks.store import LockStore

TYPE = "caisson-lock"


def open_bound(name: str | None, binding: str | Path | None) -> tuple[LockStore, Policy]:
    """The store and the policy of a binding, found by its name or its directory. Raises ConfigurationError."""
    if (name is None) == (binding is None):
        raise ConfigurationError("say where the locks are: one of a binding's name, binding=path or url=...")
    directory = Path(binding) if binding is not None else find_directory(str(name))
    if not directory.is_dir():
        raise ConfigurationError(f"the binding {directory} is not a directory")
    kind = read_entry(directory, "type")
    if kind != TYPE:
        raise ConfigurationError(f"the binding {directory} is of type {kind!r}, not {TYPE!r}")
    backend = read_entry(directory, "backend")
    if backend not in BACKENDS:
        raise ConfigurationError(f"the binding {directory} has backend {backend!r}; there are: {', '.join(BACKENDS)}")
    policy = read_policy(directory)
    return BACKENDS[backend](directory, policy), policy


def open_url(url: str, policy: Policy, *, is_managed: bool) -> LockStore:
    """The store of a plain server. `is_managed` is for Redis, and without meaning for the others."""
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ConfigurationError(f"the url has to begin with one of {', '.join(f'{each}://' for each in SCHEMES)}")
    return SCHEMES[scheme](url, policy, is_managed)


def read_policy(directory: Path) -> Policy:
    """The policy's entries of a binding."""
    longest = read_entry(directory, "max_hold_seconds", "")
    return Policy(
        read_entry(directory, "space"),
        _seconds(directory, "lease_seconds", read_entry(directory, "lease_seconds", str(DEFAULT_LEASE_SECONDS))),
        _flag(directory, "fair"),
        _flag(directory, "reentrant"),
        _seconds(directory, "max_hold_seconds", longest) if longest else None,
        _flag(directory, "fencing"),
    )


def _open_redis(directory: Path, policy: Policy) -> LockStore:
    from caisson.locks.redis_opening import open_redis

    return open_redis(directory, policy)


def _open_redlock(directory: Path, policy: Policy) -> LockStore:
    from caisson.locks.redis_opening import open_redlock

    return open_redlock(directory, policy)


def _open_redis_url(url: str, policy: Policy, is_managed: bool) -> LockStore:
    from caisson.locks.redis_opening import open_redis_url

    return open_redis_url(url, policy, is_managed=is_managed)


def _open_zookeeper(directory: Path, policy: Policy) -> LockStore:
    from caisson.locks.zookeeper import open_zookeeper

    return open_zookeeper(directory, policy)


def _open_zookeeper_url(url: str, policy: Policy, is_managed: bool) -> LockStore:
    from caisson.locks.zookeeper import open_zookeeper_url

    return open_zookeeper_url(url, policy)


def _open_database(directory: Path, policy: Policy) -> LockStore:
    from caisson.locks.database import open_database

    return open_database(directory, policy)


def _open_database_url(url: str, policy: Policy, is_managed: bool) -> LockStore:
    from caisson.locks.database import open_database_url

    return open_database_url(url, policy)


BACKENDS: dict[str, Callable[[Path, Policy], LockStore]] = {
    "redis": _open_redis,
    "redlock": _open_redlock,
    "zookeeper": _open_zookeeper,
    "database": _open_database,
}
SCHEMES: dict[str, Callable[[str, Policy, bool], LockStore]] = {
    "redis": _open_redis_url,
    "rediss": _open_redis_url,
    "zookeeper": _open_zookeeper_url,
    "postgresql": _open_database_url,
    "postgres": _open_database_url,
}


def _seconds(directory: Path, key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"the binding {directory} has {key} {text!r}, which is not a number") from None


def _flag(directory: Path, key: str) -> bool:
    text = read_entry(directory, key, "true")
    if text not in ("true", "false"):
        raise ConfigurationError(f"the binding {directory} has {key} {text!r}; it has to be true or false")
    return text == "true"
