"""The password of Patroni's REST API in the Secret of credentials: what is, what is coming, and what was. Pure.

Whoever mounts the Secret takes all of them, and sends the one that is (workloads/postgres/restapi_passwords.py).
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .credentials import COMING, PREVIOUS

ROTATION, PASSWORD = "member_rotation", "restapi"


@dataclass(frozen=True, slots=True)
class MemberPassword:
    """`rotation` is the request that it was made for; empty: the first day."""

    rotation: str
    restapi: str = field(repr=False)

    def to_keys(self, prefix: str = "") -> dict[str, str | None]:
        return {f"{prefix}{ROTATION}": self.rotation, f"{prefix}{PASSWORD}": self.restapi}


@dataclass(frozen=True, slots=True)
class MemberPasswords:
    now: MemberPassword
    coming: MemberPassword | None = None
    previous: MemberPassword | None = None


def read_member_passwords(data: Mapping[str, str]) -> MemberPasswords:
    """From the `data` of the Secret. Raises KeyError with the key that is missing."""
    now = MemberPassword(_decode(data.get(ROTATION, "")), _decode(data[PASSWORD]))
    return MemberPasswords(now, _read(data, COMING), _read(data, PREVIOUS))


def _read(data: Mapping[str, str], prefix: str) -> MemberPassword | None:
    rotation, password = data.get(f"{prefix}{ROTATION}"), data.get(f"{prefix}{PASSWORD}")
    return None if rotation is None or password is None else MemberPassword(_decode(rotation), _decode(password))


def _decode(value: str) -> str:
    return base64.b64decode(value).decode()


def prepare_member(found: MemberPasswords, rotation: str, generate: Callable[[str], str]) -> dict[str, str | None]:
    """The keys to change, None to take away. Empty where there is nothing to prepare any more, or yet."""
    if found.coming or found.previous or found.now.rotation == rotation:
        return {}
    return MemberPassword(rotation, generate(PASSWORD)).to_keys(COMING)


def adopt_member(found: MemberPasswords, rotation: str) -> dict[str, str | None]:
    """The same. Empty where it was adopted already."""
    if found.coming is None or found.coming.rotation != rotation:
        return {}
    return {**found.coming.to_keys(), **found.now.to_keys(PREVIOUS), **dict.fromkeys(found.coming.to_keys(COMING))}


def retire_member(found: MemberPasswords, rotation: str) -> dict[str, str | None]:
    """The same. Empty where nothing was before `rotation` any more."""
    if found.previous is None or found.now.rotation != rotation:
        return {}
    return dict.fromkeys(found.previous.to_keys(PREVIOUS))
