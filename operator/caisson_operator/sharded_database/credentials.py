"""The passwords of a database: one for each role, the same on every shard. Pure; randomness is passed in.

They are made once, before the first volume, and stay as long as the volumes do. The one that applications get can be changed
on request: every later one follows from the request and from a password that never leaves this Secret. Those that the operator
logs in with can be too (operator_passwords.py): meanwhile the Secret holds several of each.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from caisson_operator.core.layout import REPLICATION_ROLE, Login

PASSFILE = "passfile"
# What the keys of those begin with that are not in use yet, and of those that were before.
COMING, PREVIOUS = "coming_", "previous_"
PINNED_LOGIN, PINNED_PASSWORD = "login", "login_password"
_OPERATORS = ("rotation", "superuser", "owner")


@dataclass(frozen=True, slots=True)
class OperatorPasswords:
    """Of the roles that the operator alone logs in as. `rotation` is the request that they were made for; empty: the first day."""

    rotation: str
    superuser: str = field(repr=False)
    owner: str = field(repr=False)

    def to_keys(self, prefix: str) -> dict[str, str]:
        return {f"{prefix}{name}": getattr(self, name) for name in _OPERATORS}


@dataclass(frozen=True, slots=True)
class Pinned:
    """The password of a login that was made when the superuser had another one than now."""

    login: Login
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Left out of repr, so that a log line or a failed assertion does not show them."""

    superuser: str = field(repr=False)
    owner: str = field(repr=False)
    app: str = field(repr=False)
    replication: str = field(repr=False)
    rewind: str = field(repr=False)
    restapi: str = field(repr=False)
    replication_user: str = REPLICATION_ROLE
    rotation: str = ""
    coming: OperatorPasswords | None = None
    previous: OperatorPasswords | None = None
    pinned: Pinned | None = None

    @property
    def operators(self) -> tuple[OperatorPasswords, ...]:
        """In the order in which they are to be tried."""
        now = OperatorPasswords(self.rotation, self.superuser, self.owner)
        return (now, *(each for each in (self.coming, self.previous) if each))

    def of_rotation(self, rotation: str) -> OperatorPasswords:
        """Raises LookupError where the Secret has gone on since."""
        for passwords in self.operators:
            if passwords.rotation == rotation:
                return passwords
        raise LookupError(f"the Secret of credentials has no passwords of the rotation {rotation} any more")

    def to_keys(self) -> dict[str, str]:
        """The keys of the Secret, of which `passfile` is the replication password as libpq reads it."""
        passwords = {name: getattr(self, name) for name in names()}
        return {**passwords, PASSFILE: write_passfile((self.replication_user, self.replication))}


def build_credentials(generate: Callable[[str], str]) -> Credentials:
    """`generate` gives the password for the key that it is called with."""
    superuser, owner, app, replication, rewind, restapi = (generate(name) for name in names())
    return Credentials(superuser, owner, app, replication, rewind, restapi)


def read_credentials(data: Mapping[str, str]) -> Credentials:
    """From the `data` of the Secret. Raises KeyError with the key that is missing."""
    texts = {name: base64.b64decode(value).decode() for name, value in data.items()}
    return replace(
        build_credentials(lambda name: texts[name]),
        replication_user=texts.get("replication_user", REPLICATION_ROLE),
        rotation=texts.get("rotation", ""),
        coming=_read_operators(texts, COMING),
        previous=_read_operators(texts, PREVIOUS),
        pinned=_read_pinned(texts),
    )


def _read_operators(texts: Mapping[str, str], prefix: str) -> OperatorPasswords | None:
    has_all = all(f"{prefix}{name}" in texts for name in _OPERATORS)
    return OperatorPasswords(**{name: texts[f"{prefix}{name}"] for name in _OPERATORS}) if has_all else None


def _read_pinned(texts: Mapping[str, str]) -> Pinned | None:
    role, _, rotation = texts.get(PINNED_LOGIN, "").partition(" ")
    return Pinned(Login(role, rotation), texts[PINNED_PASSWORD]) if role and PINNED_PASSWORD in texts else None


def prepare_operators(credentials: Credentials, rotation: str, generate: Callable[[str], str]) -> dict[str, str | None]:
    """The keys to change, None to take away. Empty where there is nothing to prepare any more."""
    if credentials.coming or credentials.rotation == rotation:
        return {}
    made = OperatorPasswords(rotation, generate("superuser"), generate("owner"))
    return {**dict.fromkeys(_list_keys(PREVIOUS)), **made.to_keys(COMING)}


def adopt_operators(credentials: Credentials, rotation: str, login: Login) -> dict[str, str | None]:
    """The keys to change, None to take away. Empty where they were adopted already."""
    coming = credentials.coming
    if coming is None or coming.rotation != rotation:
        return {}
    pinned = {
        PINNED_LOGIN: f"{login.role} {login.rotation}",
        PINNED_PASSWORD: build_login_password(credentials, login),
    }
    now = credentials.operators[0]
    return {**coming.to_keys(""), **now.to_keys(PREVIOUS), **dict.fromkeys(_list_keys(COMING)), **pinned}


def _list_keys(prefix: str) -> Iterator[str]:
    return (f"{prefix}{name}" for name in _OPERATORS)


def encode(keys: Mapping[str, str | None]) -> dict[str, str | None]:
    """As `data` of a Secret."""
    return {key: None if text is None else base64.b64encode(text.encode()).decode() for key, text in keys.items()}


def build_login_password(credentials: Credentials, login: Login) -> str:
    """The same for the same login, so that nothing has to be kept. Whoever knows one of them can guess no other."""
    if not login.rotation:
        return credentials.app
    if credentials.pinned and credentials.pinned.login == login:
        return credentials.pinned.password
    text = f"{login.role} {login.rotation}".encode()
    digest = hmac.new(credentials.superuser.encode(), text, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def names() -> tuple[str, ...]:
    """Of the passwords that are there from the first day on, which are also the keys of the Secret."""
    return ("superuser", "owner", "app", "replication", "rewind", "restapi")


def write_passfile(*logins: tuple[str, str]) -> str:
    """Of roles and their passwords, for whatever server."""
    return "".join(f"*:*:*:{role}:{escape(password)}\n" for role, password in logins)


def escape(password: str) -> str:
    """As libpq's password file wants it."""
    return password.replace("\\", "\\\\").replace(":", "\\:")
