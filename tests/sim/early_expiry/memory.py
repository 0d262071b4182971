"""What a member's Patroni remembers from cycle to cycle: since when it knows a record, what it told of itself, whom it bears with."""

from dataclasses import dataclass

from early_expiry.records import LeaderRecord, SyncRecord

TTL_SECONDS = 20.0


@dataclass(frozen=True)
class View:
    """What a cycle goes by. `leader` is who leads in this member's eyes, whatever the record says."""

    record: LeaderRecord
    sync: SyncRecord
    timeline: int
    leader: str | None


@dataclass
class Memory:
    observed: tuple[str | None, str, str] | None = None
    observed_at: float = 0.0
    # By what it told last, at the end of a cycle that had the store.
    told_primary: bool = False
    bears_with: str | None = None
    asked_at: float = 0.0

    def observe(self, record: LeaderRecord, now: float) -> bool:
        """Whether the record still holds by this member's own clock: it has changed less than ttl ago, as far as it saw."""
        state = (record.leader, record.acquired, record.renewed)
        if state != self.observed:
            self.observed, self.observed_at = state, now
        return now - self.observed_at <= TTL_SECONDS

    def bear_with(self, leader: str, now: float) -> None:
        self.bears_with, self.asked_at = leader, now

    def borne(self, now: float) -> str | None:
        """Who has asked this member to bear with it, less than ttl ago."""
        return self.bears_with if now - self.asked_at < TTL_SECONDS else None
