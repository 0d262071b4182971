"""As which roles Patroni comes to other members, for replication and rewind: those that the mounted Secret names, without a restart.

A role has one password and a mounted Secret follows on each node at its own time, so two roles take turns for each purpose, and a shard
lets both in until every member was seen to come as the one that is (operator: sharded_database/member_roles.py).

Patroni asks its configuration for these credentials each time that it needs them. Here that answers with what is mounted, so that the next
loop of a standby finds another `primary_conninfo` wanted than there is, and has PostgreSQL reload it: the WAL receiver connects
anew, and nothing restarts. What is answered, what the password file of subscriptions holds, and what the member tells of it in the
annotation `status` of its pod changes together, once in each of Patroni's loops. No decision about a rotation is made here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restapi_passwords import PREFIXES, ROTATION, read_keys

REPLICATION, REWIND, USER, PASSFILE = "replication", "rewind", "_user", "passfile"
FIRST_ROLES = {REPLICATION: "caisson_replication", REWIND: "caisson_rewind"}
TOLD = "role_rotations"  # in what a member writes of itself


@dataclass(frozen=True, slots=True)
class Mounted:
    """`rotations` are the requests that the roles were made for, first of those to come as; empty: the first day."""

    rotations: tuple[str, ...]
    logins: dict[str, dict[str, str]] = field(repr=False)
    passfile: str = field(repr=False)


def read_mounted(folder: Path) -> Mounted:
    """Raises OSError, also where the mount is replaced meanwhile."""
    texts = read_keys(folder)
    if not {REPLICATION, REWIND, PASSFILE} <= texts.keys():
        raise FileNotFoundError(f"{folder} holds no roles to come to other members as")
    rotations = tuple(texts.get(f"{prefix}{ROTATION}", "") for prefix in PREFIXES if f"{prefix}{REPLICATION}" in texts)
    return Mounted(rotations, {purpose: read_login(texts, purpose) for purpose in FIRST_ROLES}, texts[PASSFILE])


def read_login(texts: dict[str, str], purpose: str) -> dict[str, str]:
    """As Patroni has it in its configuration. `texts` are the keys of the Secret."""
    return {"username": texts.get(f"{purpose}{USER}", FIRST_ROLES[purpose]), "password": texts[purpose]}


class RoleLogins:
    """Those that this process goes by. `write` replaces a file in one step."""

    def __init__(self, folder: Path, passfile: Path, write: Callable[[Path, str], None]) -> None:
        self._folder, self._passfile, self._write = folder, passfile, write
        self._taken: Mounted | None = None

    def take_up(self) -> list[str]:
        """What is mounted by now; the requests that it is of. Where it cannot be read, what was taken up before goes on."""
        try:
            mounted = read_mounted(self._folder)
            if mounted != self._taken:
                self._write(self._passfile, mounted.passfile)
            self._taken = mounted
        except OSError as error:
            print("could not take up the mounted roles for replication and rewind:", error, flush=True)
        return list(self._taken.rotations) if self._taken else []

    def complete(self, purpose: str, configured: dict[str, Any]) -> dict[str, Any]:
        """What Patroni has configured, with the role and the password that are mounted."""
        return {**configured, **(self._taken.logins[purpose] if self._taken else {})}


def log_in_by(logins: RoleLogins, handler: Any, store: Any) -> None:
    """`handler` and `store` are Patroni's classes ConfigHandler and Kubernetes.

    Raises AttributeError where they have no such properties any more. What is mounted now is taken up at once: while the API
    server is away, no loop comes so far. Where nothing is mounted, Patroni goes by its configuration.
    """
    logins.take_up()
    replication, rewind, touch = handler.replication.fget, handler.rewind_credentials.fget, store.touch_member

    def tell(self: Any, data: dict[str, Any]) -> Any:
        return touch(self, {**data, TOLD: logins.take_up()})

    handler.replication = property(lambda self: logins.complete(REPLICATION, replication(self)))
    handler.rewind_credentials = property(lambda self: logins.complete(REWIND, rewind(self)))
    store.touch_member = tell
