"""The passwords of a database: one for each role, the same on every shard. Pure; randomness is passed in.

They are made once, before the first volume, and stay as long as the volumes do.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

from caisson_operator.core.layout import REPLICATION_ROLE

PASSFILE = "passfile"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Left out of repr, so that a log line or a failed assertion does not show them."""

    superuser: str = field(repr=False)
    owner: str = field(repr=False)
    app: str = field(repr=False)
    replication: str = field(repr=False)
    rewind: str = field(repr=False)
    restapi: str = field(repr=False)

    def to_keys(self) -> dict[str, str]:
        """The keys of the Secret, of which `passfile` is the replication password as libpq reads it."""
        passwords = {name: getattr(self, name) for name in names()}
        return {**passwords, PASSFILE: f"*:*:*:{REPLICATION_ROLE}:{escape(self.replication)}\n"}


def build_credentials(generate: Callable[[str], str]) -> Credentials:
    """`generate` gives the password for the key that it is called with."""
    return Credentials(**{name: generate(name) for name in names()})


def read_credentials(data: Mapping[str, str]) -> Credentials:
    """From the `data` of the Secret. Raises KeyError with the key that is missing."""
    return Credentials(**{name: base64.b64decode(data[name]).decode() for name in names()})


def names() -> tuple[str, ...]:
    return tuple(entry.name for entry in fields(Credentials))


def escape(password: str) -> str:
    """As libpq's password file wants it."""
    return password.replace("\\", "\\\\").replace(":", "\\:")
