"""The mounted Secret of credentials: read once in each of Patroni's loops, for all that a member goes by of it.

That is what its REST API takes and sends (restapi_passwords.py), and as whom it comes to other members (role_logins.py). What a member
goes by, and what it tells of that in the annotation `status` of its pod, changes together: the requests that what it goes by was
made for. The operator goes on with a rotation only once every member has told (operator: sharded_database/member_passwords.py).
No decision about a rotation is made here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

CREDENTIALS = Path("/etc/caisson/credentials")
# Of the keys: what is, what is coming, what was.
PREFIXES = ("", "coming_", "previous_")
ROTATION = "member_rotation"


class Follower(Protocol):
    """Goes by a part of the Secret, and tells so under the name `told`."""

    told: str

    def take_up(self, keys: Mapping[str, str]) -> None:
        """Raises OSError or LookupError; what was taken up before goes on then."""

    @property
    def rotations(self) -> list[str]:
        """The requests that what was taken up was made for, first of what is used. Empty: nothing was taken up yet."""


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


def follow_mount(folder: Path, store: Any, *followers: Follower) -> None:
    """`store` is Patroni's class Kubernetes. Raises AttributeError where it has no such method any more.

    What is mounted now is taken up at once: while the API server is away, no loop comes so far.
    """
    _take_up(folder, followers)
    touch = store.touch_member

    def tell(self: Any, data: dict[str, Any]) -> Any:
        _take_up(folder, followers)
        return touch(self, {**data, **{each.told: each.rotations for each in followers}})

    store.touch_member = tell


def _take_up(folder: Path, followers: tuple[Follower, ...]) -> None:
    """One that cannot does not keep the others from it."""
    try:
        keys = read_keys(folder)
    except OSError as error:
        print("could not read the mounted credentials:", error, flush=True)
        return
    for each in followers:
        try:
            each.take_up(keys)
        except (OSError, LookupError) as error:
            print(f"could not take up the mounted credentials ({each.told}):", error, flush=True)
