"""The Lua scripts of a Redis lock store, as they are sent: each is one atomic step on the server.

Written in the folder `lua`; `epoch.lua` and `ledger.lua` come first in each that needs them.
"""

from dataclasses import dataclass, field
from hashlib import sha1
from importlib import resources


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text, and the name under which a server keeps it once it has seen it."""

    text: bytes
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text, usedforsecurity=False).hexdigest())


def _script(*parts: str) -> Script:
    folder = resources.files(__package__).joinpath("lua")
    return Script("\n".join(["#!lua", *(folder.joinpath(f"{part}.lua").read_text() for part in parts)]).encode())


TRY_ACQUIRE = _script("epoch", "ledger", "try_acquire")
JOIN = _script("epoch", "ledger", "join")
RELEASE = _script("epoch", "ledger", "release")
LEAVE = _script("epoch", "ledger", "leave")
FORCE_RELEASE = _script("epoch", "ledger", "force_release")
RENEW = _script("epoch", "renew")
RAISE_EPOCH = _script("raise_epoch")

REDLOCK_TAKE = _script("epoch", "ledger", "redlock_take")
REDLOCK_NUMBER = _script("epoch", "ledger", "redlock_number")
REDLOCK_END = _script("epoch", "ledger", "redlock_end")
REDLOCK_SHOW = _script("epoch", "ledger", "redlock_show")
REDLOCK_CLEAR = _script("epoch", "ledger", "redlock_clear")
