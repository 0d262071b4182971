"""A primary that is lost at once and without a word, and the member that leads after it."""

from collections.abc import Callable
from dataclasses import dataclass

from demo.cluster import say
from demo.database import Database, Primary

STANDS_SECONDS = 60.0
NEXT_LEADER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Failover:
    """Who led a shard before and afterwards. `killed_at`: seconds since 1970."""

    shard: str
    before: Primary
    after: Primary
    killed_at: float

    @property
    def is_another_pod(self) -> bool:
        return self.after.pod != self.before.pod


def lose_primary(
    database: Database,
    shard: str,
    wait: Callable[[], object] = lambda: None,
    look: Callable[[], object] = lambda: None,
) -> Failover:
    """Once the shard could lose it and `wait` has returned: kills its primary's pod, and waits for a later timeline.

    `look` is called as soon as the kill is sent.

    Whether another pod leads then is for the caller to judge: the figures are told in any case.
    """
    before = database.wait_primary(shard, STANDS_SECONDS)
    database.wait_standby(shard, before, STANDS_SECONDS)
    wait()
    say(f"  killing {before.pod} (timeline {before.timeline})")
    killed_at = database.kill(before)
    look()
    after = database.wait_primary(shard, NEXT_LEADER_SECONDS, lambda seen: seen.timeline > before.timeline)
    say(f"  {after.pod} leads (timeline {after.timeline})")
    return Failover(shard, before, after, killed_at)
