"""What members call and come to each other with, in the Secret of credentials: what is, what is coming, and what was. Pure.

The password of Patroni's REST API, which whoever mounts the Secret takes in all its versions, and sends the one that is
(workloads/postgres/restapi_passwords.py); and the roles for replication and rewind, of which members log in as the ones that are
(workloads/postgres/role_logins.py).
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from caisson_operator.core.layout import REPLICATION_ROLE, REWIND_ROLE, other_role

from .credentials import COMING, PASSFILE, PREVIOUS, write_passfile

ROTATION, PASSWORD = "member_rotation", "restapi"
REPLICATION, REWIND = "replication", "rewind"
# Of the roles; where there is none it is the first day's.
REPLICATION_USER, REWIND_USER = "replication_user", "rewind_user"


@dataclass(frozen=True, slots=True)
class RoleLogin:
    role: str
    password: str = field(repr=False)

    def follow(self, password: str) -> "RoleLogin":
        return RoleLogin(other_role(self.role), password)


@dataclass(frozen=True, slots=True)
class MemberRoles:
    replication: RoleLogin
    rewind: RoleLogin

    @property
    def names(self) -> tuple[str, str]:
        return self.replication.role, self.rewind.role

    def to_keys(self, prefix: str) -> dict[str, str | None]:
        return {
            f"{prefix}{REPLICATION}": self.replication.password,
            f"{prefix}{REPLICATION_USER}": self.replication.role,
            f"{prefix}{REWIND}": self.rewind.password,
            f"{prefix}{REWIND_USER}": self.rewind.role,
        }

    def follow(self, generate: Callable[[str], str]) -> "MemberRoles":
        return MemberRoles(self.replication.follow(generate(REPLICATION)), self.rewind.follow(generate(REWIND)))


@dataclass(frozen=True, slots=True)
class MemberPassword:
    """`rotation` is the request that all of it was made for; empty: the first day.

    It has no `roles` where a release that could not rotate them made it, and leaves those that are as they are.
    """

    rotation: str
    restapi: str = field(repr=False)
    roles: MemberRoles | None = None

    def to_keys(self, prefix: str = "") -> dict[str, str | None]:
        roles = self.roles.to_keys(prefix) if self.roles else {}
        return {f"{prefix}{ROTATION}": self.rotation, f"{prefix}{PASSWORD}": self.restapi, **roles}


@dataclass(frozen=True, slots=True)
class MemberPasswords:
    now: MemberPassword
    coming: MemberPassword | None = None
    previous: MemberPassword | None = None

    def find_roles(self, rotation: str) -> MemberRoles:
        """Raises LookupError where the Secret has gone on since."""
        for found in (self.coming, self.now):
            if found and found.roles and found.rotation == rotation:
                return found.roles
        raise LookupError(f"the Secret of credentials has no roles of the rotation {rotation} any more")


NOTHING_HELD = MemberPasswords(MemberPassword("", ""))


def read_member_passwords(data: Mapping[str, str]) -> MemberPasswords:
    """From the `data` of the Secret. Raises KeyError with the key that is missing."""
    texts = {name: base64.b64decode(value).decode() for name, value in data.items()}
    now = MemberPassword(texts.get(ROTATION, ""), texts[PASSWORD], _read_roles(texts, ""))
    return MemberPasswords(now, _read(texts, COMING), _read(texts, PREVIOUS))


def _read(texts: Mapping[str, str], prefix: str) -> MemberPassword | None:
    rotation, password = texts.get(f"{prefix}{ROTATION}"), texts.get(f"{prefix}{PASSWORD}")
    return None if rotation is None or password is None else MemberPassword(rotation, password, _read_roles(texts, prefix))  # fmt: skip


def _read_roles(texts: Mapping[str, str], prefix: str) -> MemberRoles | None:
    replication, rewind = texts.get(f"{prefix}{REPLICATION}"), texts.get(f"{prefix}{REWIND}")
    if replication is None or rewind is None:
        return None
    return MemberRoles(
        RoleLogin(texts.get(f"{prefix}{REPLICATION_USER}", REPLICATION_ROLE), replication),
        RoleLogin(texts.get(f"{prefix}{REWIND_USER}", REWIND_ROLE), rewind),
    )


def prepare_member(found: MemberPasswords, rotation: str, generate: Callable[[str], str]) -> dict[str, str | None]:
    """The keys to change, None to take away. Empty where there is nothing to prepare any more, or yet."""
    if found.coming or found.previous or found.now.rotation == rotation:
        return {}
    roles = found.now.roles.follow(generate) if found.now.roles else None
    coming = MemberPassword(rotation, generate(PASSWORD), roles)
    return {**coming.to_keys(COMING), **_build_passfile(found.now, coming)}


def adopt_member(found: MemberPasswords, rotation: str) -> dict[str, str | None]:
    """The same. Empty where it was adopted already."""
    coming, now = found.coming, found.now
    if coming is None or coming.rotation != rotation:
        return {}
    was = MemberPassword(now.rotation, now.restapi, now.roles if coming.roles else None)
    passfile = _build_passfile(coming, was)
    return {**coming.to_keys(), **was.to_keys(PREVIOUS), **dict.fromkeys(coming.to_keys(COMING)), **passfile}


def retire_member(found: MemberPasswords, rotation: str) -> dict[str, str | None]:
    """The same. Empty where nothing was before `rotation` any more."""
    if found.previous is None or found.now.rotation != rotation:
        return {}
    return {**dict.fromkeys(found.previous.to_keys(PREVIOUS)), **_build_passfile(found.now)}


def _build_passfile(*passwords: MemberPassword) -> dict[str, str | None]:
    """What is coming is in there before it is: a subscription to any shard finds the role that is, whenever it is made."""
    logins = list(_list_logins(passwords))
    return {PASSFILE: write_passfile(*logins)} if logins else {}


def _list_logins(passwords: tuple[MemberPassword, ...]) -> Iterator[tuple[str, str]]:
    for each in passwords:
        if each.roles:
            yield each.roles.replication.role, each.roles.replication.password
