"""Which passwords Patroni's REST API takes and sends while a rotation is under way: those of the mounted Secret, without a restart.

Patroni knows one password, for who calls it and for whom it calls. A mounted Secret follows a change on each node at its own
time, and in an outage of the API server not at all; yet a primary then steps down if a standby refuses its call (failsafe mode).
So a member takes whichever password its mount holds (what is, what is coming, what was), sends the one that is, and tells
in the annotation `status` of its pod which they are, by the requests that they were made for: first the one that it sends.
The operator goes on with a rotation only once every member has told (operator: sharded_database/member_passwords.py).

What a member takes, sends and tells changes together, once in each of Patroni's loops. The configuration of those who call from
inside the pod (patronictl) is changed before that is told. No decision about a rotation is made here.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CREDENTIALS = Path("/etc/caisson/credentials")
USER = "caisson"
# Of the keys of the Secret: what is, what is coming, what was.
PREFIXES = ("", "coming_", "previous_")
PASSWORD, ROTATION = "restapi", "member_rotation"
TOLD = "restapi_rotations"  # in what a member writes of itself


@dataclass(frozen=True, slots=True)
class Password:
    """`rotation` is the request that it was made for; empty: the first day."""

    rotation: str
    text: str = field(repr=False)

    @property
    def key(self) -> str:
        """What follows "Basic " in a header."""
        return b64encode(f"{USER}:{self.text}".encode()).decode()


def read_mounted(folder: Path) -> tuple[Password, ...]:
    """The one to send, then the others to take. Raises OSError, also where the mount is replaced meanwhile."""
    keys = read_keys(folder)
    if not keys.get(PASSWORD):
        raise FileNotFoundError(f"{folder} holds no password of Patroni's REST API")
    found = [(keys.get(f"{prefix}{ROTATION}", ""), keys.get(f"{prefix}{PASSWORD}")) for prefix in PREFIXES]
    return tuple(Password(rotation, text) for rotation, text in found if text)


def read_keys(folder: Path) -> dict[str, str]:
    """All keys of a mounted Secret as they were in one moment. Raises OSError where it is replaced meanwhile.

    The kubelet replaces all files at once by turning the link `..data`, and then removes what it named before: a file
    that is missing from there tells nothing.
    """
    data = (folder / "..data").resolve()
    keys = {file.name: file.read_text() for file in data.iterdir()}
    if data != (folder / "..data").resolve():
        raise FileNotFoundError(f"{data} was replaced while it was read")
    return keys


class RestapiPasswords:
    """Those that this process goes by. `configuration` is Patroni's own, `write` replaces a file in one step."""

    def __init__(self, folder: Path, configuration: Path, write: Callable[[Path, str], None]) -> None:
        self._folder, self._configuration, self._write = folder, configuration, write
        self._taken: tuple[Password, ...] = ()

    @property
    def sent(self) -> Password | None:
        return self._taken[0] if self._taken else None

    def take_up(self) -> list[str]:
        """What is mounted by now; the requests that they are of. Where it cannot be read, what was taken up before goes on."""
        try:
            mounted = read_mounted(self._folder)
            if mounted[:1] != self._taken[:1]:
                self._configure(mounted[0])
            self._taken = mounted
        except OSError as error:
            print("could not take up the mounted passwords of the REST API:", error, flush=True)
        return [each.rotation for each in self._taken]

    def accepts(self, key: str) -> bool:
        return any(hmac.compare_digest(each.key.encode(), key.encode()) for each in self._taken)

    def _configure(self, sent: Password) -> None:
        configuration = yaml.safe_load(self._configuration.read_text())
        authentication = {"username": USER, "password": sent.text}
        if configuration["restapi"].get("authentication") != authentication:
            configuration["restapi"]["authentication"] = authentication
            self._write(self._configuration, yaml.safe_dump(configuration))


def go_by(passwords: RestapiPasswords, server: Any, caller: Any, store: Any) -> None:
    """`server`, `caller` and `store` are Patroni's classes RestApiServer, PatroniRequest and Kubernetes.

    Raises AttributeError where they have no such methods any more. What is mounted now is taken up at once: while the API
    server is away, no loop comes so far. Where nothing is mounted, Patroni goes by its configuration.
    """
    passwords.take_up()
    check_key, request, touch = server.check_basic_auth_key, caller.request, store.touch_member

    def check(self: Any, key: str) -> bool:
        return passwords.accepts(key) if passwords.sent else bool(check_key(self, key))

    def send(self: Any, method: str, url: str, body: Any = None, **more: Any) -> Any:
        if passwords.sent:
            more.setdefault("headers", {**self._pool.headers, "authorization": f"Basic {passwords.sent.key}"})
        return request(self, method, url, body, **more)

    def tell(self: Any, data: dict[str, Any]) -> Any:
        return touch(self, {**data, TOLD: passwords.take_up()})

    server.check_basic_auth_key, caller.request, store.touch_member = check, send, tell
