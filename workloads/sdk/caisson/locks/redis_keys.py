"""The names of a lock space's keys in Redis. A lock's name comes last, so that it may hold any character. Pure."""

from caisson.locks.store import Claim, Mode

HELD, QUEUE, WANTED = "held", "queue", "wanted"
_KINDS = {Mode.EXCLUSIVE: "lock", Mode.SHARED: "lock", Mode.PERMIT: "semaphore"}


class RedisKeys:
    """The keys of one space. Locks and semaphores of one name have nothing to do with each other."""

    def __init__(self, epoch: str, space: str) -> None:
        self.epoch = epoch
        self.totals = f"{space}:totals"
        self.wake = f"{space}:wake:"
        self._prefixes = {mode: f"{space}:{kind}-" for mode, kind in _KINDS.items()}

    def of(self, claim: Claim) -> list[str]:
        """The keys of a lock's scripts, in their order."""
        prefix, name = self._prefixes[claim.mode], claim.name
        return [self.epoch, self.totals, f"{prefix}held:{name}", f"{prefix}queue:{name}", f"{prefix}wanted:{name}"]

    def held(self, claim: Claim) -> str:
        return f"{self._prefixes[claim.mode]}{HELD}:{claim.name}"

    def patterns(self) -> list[str]:
        """What SCAN finds all locks by that are held or waited for."""
        prefixes = dict.fromkeys(self._prefixes.values())
        return [f"{_escape(prefix)}{part}:*" for prefix in prefixes for part in (HELD, QUEUE)]

    def claim_of(self, key: str) -> Claim:
        """The lock that a found key belongs to, as some claim of it."""
        for mode in (Mode.EXCLUSIVE, Mode.PERMIT):
            prefix = self._prefixes[mode]
            if key.startswith(prefix):
                return Claim(key[len(prefix) :].split(":", 1)[1], mode)
        raise ValueError(f"{key!r} is no key of this space")


def _escape(text: str) -> str:
    return "".join(f"\\{each}" if each in "*?[]\\" else each for each in text)
