"""Members whose volume is gone for good (core/replacing.py): they are made anew where nothing is lost by it. Pure.

- Redis, replicated: a primary serves, with as many replicas as it must have, and this member does not answer.
- Redis, independent: nobody has its data. A lock that it has forgotten may still be held by who found a majority with it, so it
  runs nowhere until the longest lease is over, counted from when it ran last: who held a lock on it could not renew that without
  it. Tokens do not depend on that: its epoch is raised before it serves.
- ZooKeeper: a majority of the others serves, and this member has lost its vote. It has acknowledged what it knows no more: with a
  vote it could elect a leader who never had it. It follows without one, is given a copy, and then its vote (zookeeper_scaling.py).
"""

from collections.abc import Iterator

from caisson_operator.api.distributed_lock_spec import LONGEST_LEASE
from caisson_operator.core.decisions import Decision
from caisson_operator.core.quantities import parse_duration_seconds
from caisson_operator.core.replacing import (
    explain_gone,
    find_due,
    miss_grace,
    miss_others,
    miss_pod,
    replace_member,
)
from caisson_operator.core.volumes import Volume

from .observed import Observed, find_ensemble, is_served
from .wanted import Wanted
from .zookeeper_scaling import find_serving_numbers, has_quorum, take_vote

# Clocks that tell how long a lease has lasted, and those that tell how long a member has been away, are not the same.
DRIFT = 1.05
LEASES_END_SECONDS = parse_duration_seconds(LONGEST_LEASE) * DRIFT


def decide_replacement(wanted: Wanted, observed: Observed) -> Decision:
    due = find_due(_list_gone(wanted, observed), lambda volume: _find_hindrance(volume, wanted, observed))
    ensemble = find_ensemble(observed)
    if due and ensemble and _number(due) in ensemble.participants:
        return take_vote(_number(due), ensemble, observed)
    return replace_member(due, observed.pods, "as a copy" if wanted.is_replicated else "without data")


def explain_lost(wanted: Wanted, observed: Observed) -> tuple[str, ...]:
    return explain_gone(_list_gone(wanted, observed), lambda volume: _find_hindrance(volume, wanted, observed))


def _list_gone(wanted: Wanted, observed: Observed) -> Iterator[Volume]:
    return (volume for volume in observed.volumes if volume.is_gone and _number(volume) <= wanted.members)


def _number(volume: Volume) -> int:
    """As ZooKeeper counts: from 1."""
    return int(volume.member.rsplit("-", 1)[1]) + 1


def _find_hindrance(volume: Volume, wanted: Wanted, observed: Observed) -> str:
    """What stands against it; empty if nothing does."""
    delay = wanted.replace_delay_seconds
    return (
        miss_pod(volume, observed.pods)
        or _miss_others_data(volume, wanted, observed)
        or miss_others(volume, observed.pods, observed.volumes)
        or miss_grace(
            volume, observed.pods, delay if wanted.is_replicated else max(delay, LEASES_END_SECONDS), observed.now
        )
    )


def _miss_others_data(volume: Volume, wanted: Wanted, observed: Observed) -> str:
    if volume.member in observed.redis or volume.member in observed.zookeeper:
        return f"{volume.member} still answers"
    if not wanted.is_redis:
        return _miss_quorum(volume, observed)
    if wanted.is_replicated:
        return "" if is_served(wanted, observed) else "no primary serves that has enough replicas and could be copied"
    return _miss_end(volume, observed)


def _miss_quorum(volume: Volume, observed: Observed) -> str:
    ensemble, number = find_ensemble(observed), _number(volume)
    if ensemble is None:
        return "no leader is there to copy from; if no majority can come back, the data are lost: make another cluster"
    if not has_quorum(ensemble.participants - {number}, find_serving_numbers(observed)):
        return "a majority of the others must serve first"
    believing = (name for name, view in sorted(observed.zookeeper.items()) if (number, "participant") in view.members)
    believers = ", ".join(believing)
    if believers and number not in ensemble.participants:
        return f"{believers} must know first that it has no vote any more"
    return ""


def _miss_end(volume: Volume, observed: Observed) -> str:
    """Where it runs, nobody else can say since when it grants no locks."""
    pod = observed.pod(volume.member)
    if pod and pod.node:
        return f"{pod.name} must end first on the node {pod.node}: delete the pod if that is known"
    return ""
