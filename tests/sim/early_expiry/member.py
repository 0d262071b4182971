"""A member's PostgreSQL: the commits in its log, whom it follows, and whose word it waits for before it acknowledges."""

from dataclasses import dataclass, field

# In strict mode, with no standby to name: somebody's word, and nobody may lead for having given it.
ANYBODY = frozenset("*")


@dataclass
class Member:
    """`sync_names` are in `synchronous_standby_names`: one of them must have a commit. Empty: nobody need have it."""

    name: str
    log: list[int] = field(default_factory=list)
    timeline: int = 1
    is_primary: bool = False
    follows: str | None = None
    sync_names: frozenset[str] = frozenset()
    # How long its log was when sync_names was set: a standby counts as synchronous once it has that much.
    sync_since: int = 0
    # What its Patroni says of it: a moment after the promotion.
    calls_itself_primary: bool = False

    def set_sync_names(self, names: frozenset[str]) -> None:
        self.sync_names, self.sync_since = names, len(self.log)

    def demote(self) -> None:
        self.is_primary = self.calls_itself_primary = False
        self.follows = None
        self.set_sync_names(frozenset())

    def can_stream_from(self, upstream: "Member") -> bool:
        """Without a rewind before."""
        return self.timeline <= upstream.timeline and self.log == upstream.log[: len(self.log)]

    def receive_from(self, upstream: "Member") -> None:
        """One commit; or, where the logs have parted, what pg_rewind does."""
        common = 0
        while common < min(len(self.log), len(upstream.log)) and self.log[common] == upstream.log[common]:
            common += 1
        if common < len(self.log):
            if upstream.timeline >= self.timeline:
                del self.log[common:]
            return
        self.timeline = upstream.timeline
        self.log += upstream.log[common : common + 1]
