"""What an agent expects of a leader, from the timings that its shard's Patroni runs with. Pure.

A leader renews its record once in `loop_wait` seconds, and a record that has not changed for `ttl` is free for everybody. Every
number here follows from these two, and with those that Patroni is made with (1 and 20) they are what was measured.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .records import annotations_of

POSTGRES_DOWN_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, of Patroni's own settings. Anything between two looks that is longer than `gap` may have held anything."""

    loop_wait: float = 1.0
    ttl: float = 20.0
    gap: float = 2.0

    @property
    def not_renewed(self) -> float:
        """Since when a leader is overdue."""
        return self.loop_wait + POSTGRES_DOWN_SECONDS

    @property
    def probe_after(self) -> float:
        """Only a leader that is late is asked for a sign of life: early enough for the silence of its PostgreSQL to be counted."""
        return self.loop_wait - 0.2

    @property
    def calm(self) -> float:
        """So long after a renewal nothing is expected. Looks move towards the next one, and silence counts from soon after it."""
        return self.loop_wait - 1.0

    @property
    def steady(self) -> float:
        """Renewals that follow each other. With a gap before the first it is still less than ttl, after which Patroni takes its own
        record for a free one: `loop_wait + 2 * retry_timeout <= ttl`, and the least retry_timeout is 3."""
        return min(self.loop_wait + 4.0, self.ttl - 5.0)

    @property
    def lost(self) -> float:
        """Whoever could lead does, and what is left is to notice when the leader comes back."""
        return self.ttl + 10.0

    @property
    def store_age(self) -> float:
        """A Patroni that has not looked at the store for longer would not take the lead up."""
        return self.loop_wait + 4.0


def parse_timings(endpoints: Mapping[str, Any]) -> Timings:
    """From the Endpoints `<scope>-config`. What is not said there, or not as a number, is as Patroni is made with."""
    try:
        settings = json.loads(annotations_of(endpoints).get("config") or "{}")
        return Timings(loop_wait=float(settings.get("loop_wait", 1)), ttl=float(settings.get("ttl", 20)))
    except (ValueError, TypeError, AttributeError):
        return Timings()
