"""Whether a switch group's copy still finds workers and slots on its two shards. Pure.

A group holds a worker on its target and a slot on its source from its copy until it has switched and is cleaned. Where there are too few,
PostgreSQL starts no worker, and says so in its log alone. So groups are copied in waves: the next one once another has switched.
"""

from collections.abc import Iterable

from caisson_operator.core.layout import SwitchGroup

from .observed import Shard

NEEDED = 2
"""Workers on the target, and slots on the source: the subscription's own, and that of its initial copy."""
KEPT_SLOTS = 4
"""For members that come back or are copied, and their WAL senders."""


def explain_no_room(source: Shard, target: Shard, copying: Iterable[SwitchGroup], has_slot: bool = False) -> str:
    """Why no further group can be copied on this route; empty where one can.

    `copying` are those whose initial copy runs; `has_slot`: one of its slots is there.
    """
    under_way = tuple(copying)
    workers = target.spare_workers - sum(group.target == target.name for group in under_way)
    if workers < NEEDED:
        return (
            f"{target.name} has {max(workers, 0)} logical replication workers to spare, and a copy needs {NEEDED}: "
            "remove subscriptions of your own there, or raise max_worker_processes if it was lowered"
        )
    slots = source.spare_slots + has_slot - sum(group.source == source.name for group in under_way)
    if slots < NEEDED + KEPT_SLOTS:
        return (
            f"{source.name} has {max(slots, 0)} replication slots to spare, and a copy needs {NEEDED} beside {KEPT_SLOTS} that are kept "
            "for members: drop slots of your own there"
        )
    return ""
