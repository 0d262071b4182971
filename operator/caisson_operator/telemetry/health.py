"""Whether this replica still hears anything. Pure but for its own marks: the clock's readings are passed in.

A passive replica lives while it hears the Lease; the leader lives while it hears, by its watch, what it does itself to
a canary object. An idle cluster is therefore no reason to die, and a watch that has gone deaf is.
"""

from dataclasses import dataclass

LEASE_SILENCE_SECONDS = 15.0
CANARY_SILENCE_SECONDS = 60.0


@dataclass(slots=True)
class Health:
    started_at: float
    leads_since: float | None = None
    lease_heard_at: float | None = None
    canary_heard_at: float | None = None

    def complaint(self, now: float) -> str | None:
        """What is wrong, or None."""
        lease_silence = now - (self.lease_heard_at if self.lease_heard_at is not None else self.started_at)
        if lease_silence > LEASE_SILENCE_SECONDS:
            return f"the lease was last heard {lease_silence:.0f} s ago"
        if self.leads_since is None:
            return None
        canary_silence = now - max(self.canary_heard_at or self.leads_since, self.leads_since)
        if canary_silence > CANARY_SILENCE_SECONDS:
            return f"the watch is deaf: the canary was last heard {canary_silence:.0f} s ago"
        return None

    def is_ready(self) -> bool:
        """Ready to lead or leading: the Lease has been heard at least once."""
        return self.lease_heard_at is not None
