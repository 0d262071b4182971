"""As which roles Patroni comes to other members, for replication and rewind: those that the mounted Secret names, without a restart.

A role has one password and a mounted Secret follows on each node at its own time, so two roles take turns for each purpose, and a shard
lets both in until every member was seen to come as the one that is (operator: sharded_database/member_roles.py).

Patroni asks its configuration for these credentials each time that it needs them. Here that answers with what is mounted, so that the next
loop of a standby finds another `primary_conninfo` wanted than there is, and has PostgreSQL reload it: the WAL receiver connects
anew, and nothing restarts. What is answered, what the password file of subscriptions holds, and what the member tells of it
changes together (mounted_secret.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mounted_secret import PREFIXES, ROTATION

REPLICATION, REWIND, USER, PASSFILE = "replication", "rewind", "_user", "passfile"
FIRST_ROLES = {REPLICATION: "caisson_replication", REWIND: "caisson_rewind"}


@dataclass(frozen=True, slots=True)
class Roles:
    """`rotations` are the requests that the roles were made for, first of those to come as; empty: the first day."""

    rotations: tuple[str, ...]
    logins: dict[str, dict[str, str]] = field(repr=False)
    passfile: str = field(repr=False)


def read_roles(keys: Mapping[str, str]) -> Roles:
    """Of the Secret. Raises LookupError."""
    if not {REPLICATION, REWIND, PASSFILE} <= keys.keys():
        raise LookupError("no roles to come to other members as")
    rotations = tuple(keys.get(f"{prefix}{ROTATION}", "") for prefix in PREFIXES if f"{prefix}{REPLICATION}" in keys)
    return Roles(rotations, {purpose: read_login(keys, purpose) for purpose in FIRST_ROLES}, keys[PASSFILE])


def read_login(keys: Mapping[str, str], purpose: str) -> dict[str, str]:
    """As Patroni has it in its configuration."""
    return {"username": keys.get(f"{purpose}{USER}", FIRST_ROLES[purpose]), "password": keys[purpose]}


class RoleLogins:
    """Those that this process goes by. `write` replaces a file in one step."""

    told = "role_rotations"

    def __init__(self, passfile: Path, write: Callable[[Path, str], None]) -> None:
        self._passfile, self._write = passfile, write
        self._taken: Roles | None = None

    @property
    def rotations(self) -> list[str]:
        return list(self._taken.rotations) if self._taken else []

    def take_up(self, keys: Mapping[str, str]) -> None:
        found = read_roles(keys)
        if found != self._taken:
            self._write(self._passfile, found.passfile)
        self._taken = found

    def complete(self, purpose: str, configured: dict[str, Any]) -> dict[str, Any]:
        """What Patroni has configured, with the role and the password that are mounted."""
        return {**configured, **(self._taken.logins[purpose] if self._taken else {})}


def log_in_by(logins: RoleLogins, handler: Any) -> None:
    """`handler` is Patroni's class ConfigHandler.

    Raises AttributeError where it has no such properties any more. Until something is taken up Patroni goes by its configuration.
    """
    replication, rewind = handler.replication.fget, handler.rewind_credentials.fget
    handler.replication = property(lambda self: logins.complete(REPLICATION, replication(self)))
    handler.rewind_credentials = property(lambda self: logins.complete(REWIND, rewind(self)))
