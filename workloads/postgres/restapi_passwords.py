"""Which passwords Patroni's REST API takes and sends while a rotation is under way: those of the mounted Secret, without a restart.

Patroni knows one password, for who calls it and for whom it calls. A mounted Secret follows a change on each node at its own
time, and in an outage of the API server not at all; yet a primary then steps down if a standby refuses its call (failsafe mode).
So a member takes whichever password its mount holds (what is, what is coming, what was), sends the one that is, and tells
which they are (mounted_secret.py). The configuration of those who call from inside the pod (patronictl) is changed before that.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mounted_secret import PREFIXES, ROTATION

USER = "caisson"
PASSWORD = "restapi"


@dataclass(frozen=True, slots=True)
class Password:
    """`rotation` is the request that it was made for; empty: the first day."""

    rotation: str
    text: str = field(repr=False)

    @property
    def key(self) -> str:
        """What follows "Basic " in a header."""
        return b64encode(f"{USER}:{self.text}".encode()).decode()


def read_passwords(keys: Mapping[str, str]) -> tuple[Password, ...]:
    """Of the Secret: the one to send, then the others to take. Raises LookupError."""
    if not keys.get(PASSWORD):
        raise LookupError("no password of Patroni's REST API")
    found = [(keys.get(f"{prefix}{ROTATION}", ""), keys.get(f"{prefix}{PASSWORD}")) for prefix in PREFIXES]
    return tuple(Password(rotation, text) for rotation, text in found if text)


class RestapiPasswords:
    """Those that this process goes by. `configuration` is Patroni's own, `write` replaces a file in one step."""

    told = "restapi_rotations"

    def __init__(self, configuration: Path, write: Callable[[Path, str], None]) -> None:
        self._configuration, self._write = configuration, write
        self._taken: tuple[Password, ...] = ()

    @property
    def sent(self) -> Password | None:
        return self._taken[0] if self._taken else None

    @property
    def rotations(self) -> list[str]:
        return [each.rotation for each in self._taken]

    def take_up(self, keys: Mapping[str, str]) -> None:
        found = read_passwords(keys)
        if found[:1] != self._taken[:1]:
            self._configure(found[0])
        self._taken = found

    def accepts(self, key: str) -> bool:
        return any(hmac.compare_digest(each.key.encode(), key.encode()) for each in self._taken)

    def _configure(self, sent: Password) -> None:
        configuration = yaml.safe_load(self._configuration.read_text())
        authentication = {"username": USER, "password": sent.text}
        if configuration["restapi"].get("authentication") != authentication:
            configuration["restapi"]["authentication"] = authentication
            self._write(self._configuration, yaml.safe_dump(configuration))


def go_by(passwords: RestapiPasswords, server: Any, caller: Any) -> None:
    """`server` and `caller` are Patroni's classes RestApiServer and PatroniRequest.

    Raises AttributeError where they have no such methods any more. Until something is taken up Patroni goes by its configuration.
    """
    check_key, request = server.check_basic_auth_key, caller.request

    def check(self: Any, key: str) -> bool:
        return passwords.accepts(key) if passwords.sent else bool(check_key(self, key))

    def send(self: Any, method: str, url: str, body: Any = None, **more: Any) -> Any:
        if passwords.sent:
            more.setdefault("headers", {**self._pool.headers, "authorization": f"Basic {passwords.sent.key}"})
        return request(self, method, url, body, **more)

    server.check_basic_auth_key, caller.request = check, send
