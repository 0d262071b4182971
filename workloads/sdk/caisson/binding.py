"""Where and as whom to connect: a Service Binding directory, or a plain PostgreSQL connection string.

A binding is a directory with one file an entry (https://servicebinding.io): `$SERVICE_BINDING_ROOT/<name>/{type,host,
port,database,username,password,shards,...}`. Kubernetes rewrites the files when the Secret changes, so the credentials
are read again whenever a server has refused them. Where it has the certificate of an authority (`ca.crt`), servers are verified
in full: they must show a certificate of it, for the name that was asked for.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from caisson.errors import ConfigurationError
from caisson.shard_map import Address

ROOT_VARIABLE = "SERVICE_BINDING_ROOT"
AUTHORITY = "ca.crt"


@dataclass(frozen=True, slots=True)
class Binding:
    """What one reading of a binding (or a dsn) says. `parameters` are libpq's, without host and port."""

    parameters: Mapping[str, str] = field(repr=False)
    seeds: tuple[Address, ...]
    shards: Mapping[str, Address]


Reader = Callable[[], Binding]


def binding_reader(name: str | None, binding: str | Path | None, dsn: str | None) -> Reader:
    """A function that reads the named source anew each time. Exactly one of the three is given."""
    given = [each for each in (name, binding, dsn) if each is not None]
    if len(given) != 1:
        raise ConfigurationError("say where the database is: one of a binding's name, binding=path or dsn=...")
    if dsn is not None:
        parsed = _from_dsn(dsn)
        return lambda: parsed
    path = Path(binding) if binding is not None else find_directory(str(name))
    return lambda: _from_directory(path)


def find_directory(name: str) -> Path:
    """The binding's directory: by its name, by the Secret's name, or else by what its `type` file says."""
    root = os.environ.get(ROOT_VARIABLE)
    if not root:
        raise ConfigurationError(f"{ROOT_VARIABLE} is not set, so binding {name!r} cannot be found; or give dsn=...")
    if not Path(root).is_dir():
        raise ConfigurationError(f"{ROOT_VARIABLE}={root} is not a directory")
    for candidate in (Path(root, name), Path(root, f"{name}-binding")):
        if candidate.is_dir():
            return candidate
    directories = sorted(path for path in Path(root).iterdir() if path.is_dir())
    of_type = [path for path in directories if read_entry(path, "type", "") == name]
    if len(of_type) != 1:
        there = ", ".join(path.name for path in directories) or "none"
        problem = "no binding" if not of_type else f"{len(of_type)} bindings of type"
        raise ConfigurationError(f"{problem} {name!r} under {root}; there are: {there}")
    return of_type[0]


def read_entry(path: Path, key: str, default: str | None = None) -> str:
    try:
        return Path(path, key).read_text().rstrip("\n")
    except FileNotFoundError:
        if default is None:
            raise ConfigurationError(f"the binding {path} has no entry {key!r}") from None
        return default


def find_authority(path: Path) -> Path | None:
    """The file with the certificate by which the servers of this binding are verified; None where they do not speak TLS."""
    file = Path(path, AUTHORITY)
    return file if file.is_file() else None


def _from_directory(path: Path) -> Binding:
    if not path.is_dir():
        raise ConfigurationError(f"the binding {path} is not a directory")
    kind = read_entry(path, "type")
    if kind != "postgresql":
        raise ConfigurationError(f"the binding {path} is of type {kind!r}, not 'postgresql'")
    return read_server(path)


def read_server(path: Path) -> Binding:
    """The entries that say where a PostgreSQL is, in a binding of whatever type: its `uri` where it has no host of its own."""
    if not Path(path, "host").exists() and Path(path, "uri").exists():
        return _from_dsn(read_entry(path, "uri"))
    first = Address(read_entry(path, "host"), _port(path, read_entry(path, "port", "5432")))
    parameters = {"dbname": read_entry(path, "database"), "user": read_entry(path, "username")}
    parameters["password"] = read_entry(path, "password")
    parameters |= _tls(path)
    shards = _shards(path)
    return Binding(parameters, tuple(shards.values()) or (first,), shards)


def _tls(path: Path) -> dict[str, str]:
    """libpq's parameters. `sslrootcert` names a file of the binding, unless it is the path of another."""
    has_authority = find_authority(path) is not None
    root = read_entry(path, "sslrootcert", AUTHORITY if has_authority else "")
    mode = read_entry(path, "sslmode", "verify-full" if has_authority else "")
    if mode.startswith("verify") and not root:
        raise ConfigurationError(f"the binding {path} has sslmode {mode!r}, but no {AUTHORITY!r} to verify with")
    return {
        key: value for key, value in (("sslmode", mode), ("sslrootcert", str(path / root) if root else "")) if value
    }


def _shards(path: Path) -> dict[str, Address]:
    text = read_entry(path, "shards", "[]")
    try:
        return {
            each["shard"]: Address(each["host"], int(each["port"]), each.get("read_host"), each.get("members_host"))
            for each in json.loads(text)
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"the binding {path} has an entry 'shards' that cannot be read: {error!r}") from error


def _port(path: Path, text: str) -> int:
    if not text.isdecimal():
        raise ConfigurationError(f"the binding {path} has port {text!r}, which is not a number")
    return int(text)


def _from_dsn(dsn: str) -> Binding:
    try:
        parameters = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(f"the dsn is not a PostgreSQL connection string: {error}") from None
    host, port = parameters.pop("host", ""), parameters.pop("port", "5432")
    if not host or not port.isdecimal():
        raise ConfigurationError(
            "the dsn must name one host and one port: it is the seed that the others are read from"
        )
    return Binding(parameters, (Address(host, int(port)),), {})


def conninfo(binding: Binding, host: str, port: int, **more: str | int) -> str:
    """A libpq connection string. A server that dies later must show within seconds: quick keepalives.

    How long to wait for a connection is not libpq's to say (caisson.connecting): a `connect_timeout` counts for nothing.
    """
    return make_conninfo(
        **{
            "keepalives": "1",
            "keepalives_idle": "2",
            "keepalives_interval": "1",
            "keepalives_count": "2",
            "tcp_user_timeout": "3000",
            **binding.parameters,
            "host": host,
            "port": str(port),
            **{key: str(value) for key, value in more.items()},
        }
    )
