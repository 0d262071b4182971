"""What to do next about one BackingCluster: the room's decisions in their order. Pure."""

from caisson_operator.core.decisions import Decision, Settled, Wait, decide_first
from caisson_operator.core.volumes import decide_growth, judge_growth

from .observed import Observed, is_served
from .provisioning import decide_provisioning, wait_for_members
from .redis_scaling import decide_redis
from .replacing import decide_replacement
from .updating import decide_mending, decide_updates
from .wanted import Wanted
from .zookeeper_scaling import decide_zookeeper

LOOK_AGAIN_SECONDS = 2.0


def decide(wanted: Wanted, observed: Observed) -> Decision:
    return decide_first(
        lambda: decide_replacement(wanted, observed),
        lambda: decide_growth(observed.volumes, wanted.storage_size, observed.refusals),
        lambda: decide_provisioning(wanted, observed),
        lambda: decide_mending(wanted, observed),
        lambda: decide_redis(wanted, observed) if wanted.is_redis else decide_zookeeper(wanted, observed),
        lambda: wait_for_members(wanted, observed),
        lambda: _wait_for_service(wanted, observed),
        lambda: decide_updates(wanted, observed),
        lambda: judge_growth(observed.volumes, wanted.storage_size, observed.refusals),
    )


def _wait_for_service(wanted: Wanted, observed: Observed) -> Decision:
    if is_served(wanted, observed):
        return Settled()
    return Wait("WaitingForLeader", "no member takes writes yet", LOOK_AGAIN_SECONDS)
