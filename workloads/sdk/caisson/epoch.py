"""The epoch of each shard: the PostgreSQL timeline of its newest primary that was heard. It never goes back.

Every promotion begins a timeline with a higher number, and nobody has to raise it. So a server on a lower one than was
heard is an old primary: it may not know yet that it was replaced, and it shows rows as they were before. A server's
timeline stays what it is for as long as it is a primary, and no session outlives its server's demotion.
"""

import threading
from dataclasses import dataclass

from caisson.refusals import NotConnected

TIMELINE = "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
"""An expression, for a primary. Not pg_control_checkpoint(): until the next checkpoint that tells the old timeline."""


class OldPrimary(NotConnected):
    """The server is on an older timeline than its shard is known to be on."""


@dataclass(slots=True)
class ShardEpoch:
    """One shard's newest timeline, shared by all who connect to it."""

    shard: str
    newest_timeline: int = 0


class Epochs:
    """The epochs of all shards of one database. Thread-safe."""

    def __init__(self) -> None:
        self._by_shard: dict[str, ShardEpoch] = {}
        self._lock = threading.Lock()

    def hear(self, shard: str, timeline: int) -> ShardEpoch:
        """Note what a primary says of itself. Raises OldPrimary if a newer one was heard before."""
        with self._lock:
            epoch = self._by_shard.setdefault(shard, ShardEpoch(shard))
            if timeline < epoch.newest_timeline:
                raise OldPrimary(
                    f"an old primary of shard {shard} answered: it is on timeline {timeline}, "
                    f"and a primary on timeline {epoch.newest_timeline} was heard before"
                )
            epoch.newest_timeline = timeline
            return epoch
