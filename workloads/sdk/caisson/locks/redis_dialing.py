"""Where the primary of a Redis is at this moment, and a connection to it.

A binding is read anew for each connection, since Kubernetes rewrites its files when a password changes. With Sentinels
they are asked each time: after a failover the next connection leads to the new primary.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from caisson.binding import AUTHORITY, read_entry
from caisson.errors import ConfigurationError

Address = tuple[str, int]
Dial = Callable[[], redis.Connection]
"""Opens a connection to who is primary now. Raises redis-py's errors, and its MasterNotFoundError where no Sentinel knows one."""


@dataclass(frozen=True, slots=True)
class RedisBinding:
    """What one reading of a binding says. Without `sentinels` the `members` are primaries, each on its own."""

    members: tuple[Address, ...]
    sentinels: tuple[Address, ...]
    master: str
    options: Mapping[str, Any] = field(repr=False)


def read_binding(directory: Path) -> RedisBinding:
    """The binding of a BackingCluster of type redis, or of what was given one of its own (the same entries)."""
    port = read_entry(directory, "port", "6379")
    if not port.isdecimal():
        raise ConfigurationError(f"the binding {directory} has port {port!r}, which is not a number")
    own = ((read_entry(directory, "host"), int(port)),)
    options: dict[str, Any] = {"password": read_entry(directory, "password", "") or None}
    options["username"] = read_entry(directory, "username", "") or None
    if (directory / AUTHORITY).is_file():
        options |= {"ssl": True, "ssl_ca_certs": str(directory / AUTHORITY)}
        options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    sentinels = _addresses(directory, "sentinels")
    members = own if sentinels else _addresses(directory, "members") or own
    return RedisBinding(members, sentinels, read_entry(directory, "master", ""), options)


def read_url(url: str) -> RedisBinding:
    """A plain server: redis://, or rediss:// for TLS."""
    try:
        options = dict(parse_url(url))
        address = (str(options.pop("host", "localhost")), int(options.pop("port", 6379)))
    except ValueError as error:
        raise ConfigurationError(f"the url is not one of a Redis server: {error}") from None
    kind = options.pop("connection_class", redis.Connection)
    if "path" in options:
        raise ConfigurationError("the url is not one of a Redis server: a Unix socket leads to no other machine")
    options["ssl"] = kind is redis.SSLConnection
    return RedisBinding((address,), (), "", options)


def dial_primary(read: Callable[[], RedisBinding], patience_seconds: float) -> Dial:
    """A function that connects to the primary; `patience_seconds` bounds the handshake, and each answer later."""

    def dial() -> redis.Connection:
        binding = read()
        address = binding.members[0]
        if binding.sentinels:
            address = _ask_sentinels(binding, patience_seconds)
        return _connect(address, binding.options, patience_seconds)

    return dial


def dial_member(read: Callable[[], RedisBinding], number: int, patience_seconds: float) -> Dial:
    """A function that connects to one of several independent primaries."""

    def dial() -> redis.Connection:
        binding = read()
        return _connect(binding.members[number], binding.options, patience_seconds)

    return dial


def _ask_sentinels(binding: RedisBinding, patience_seconds: float) -> Address:
    """Each in turn and once, so that one that hangs or is away does not use up the time of all."""
    options = {**binding.options, **_bounds(patience_seconds / (2 * len(binding.sentinels)))}
    options["retry"] = Retry(NoBackoff(), 0)
    if options.get("password"):
        options["username"] = options["username"] or "default"  # which lets anybody in where no password is set
    sentinel = Sentinel(list(binding.sentinels), sentinel_kwargs=options)
    host, port = sentinel.discover_master(binding.master)
    return str(host), int(port)


def _connect(address: Address, options: Mapping[str, Any], patience_seconds: float) -> redis.Connection:
    settings = {**options, **_bounds(patience_seconds)}
    kind = redis.SSLConnection if settings.pop("ssl", False) else redis.Connection
    connection = kind(host=address[0], port=address[1], retry=Retry(NoBackoff(), 0), protocol=2, **settings)
    connection.connect()
    return connection


def _bounds(patience_seconds: float) -> dict[str, Any]:
    return {"socket_connect_timeout": patience_seconds, "socket_timeout": patience_seconds, "socket_keepalive": True}


def _addresses(directory: Path, key: str) -> tuple[Address, ...]:
    text = read_entry(directory, key, "[]")
    try:
        entries: Sequence[Mapping[str, Any]] = json.loads(text)
        return tuple((str(each["host"]), int(each["port"])) for each in entries)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"the binding {directory} has an entry {key!r} that cannot be read: {error!r}"
        ) from None
