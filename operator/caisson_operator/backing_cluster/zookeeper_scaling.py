"""Who has a vote in a ZooKeeper ensemble: changed by one member at a time, and only while a quorum is well. Pure.

A new member follows first, as an observer, and is given its vote once it serves. One that is to go loses its vote first, and its
pod afterwards (provisioning.py). Each change names the version of the list that it was decided upon, and fails if there is a newer one.
"""

from caisson_operator.core.decisions import Decision, Plan, Settled, Wait

from . import steps
from .observed import SERVING, Ensemble, Observed, find_ensemble
from .wanted import Wanted

LOOK_AGAIN_SECONDS = 2.0


def decide_zookeeper(wanted: Wanted, observed: Observed) -> Decision:
    ensemble = find_ensemble(observed)
    if ensemble is None:
        return Settled()
    wanted_numbers = frozenset(range(1, wanted.members + 1))
    serving = find_serving_numbers(observed)
    leaving = max(ensemble.participants - wanted_numbers, default=None)
    if leaving is not None:
        return _remove(leaving, ensemble, serving, observed)
    joining = min((wanted_numbers - ensemble.participants) & serving, default=None)
    if joining is not None:
        return _add(joining, ensemble, serving, observed)
    return Settled()


def find_serving_numbers(observed: Observed) -> frozenset[int]:
    """ZooKeeper's numbers of the members that serve."""
    pods = {pod.name: pod.ordinal + 1 for pod in observed.pods}
    return frozenset(pods[name] for name, view in observed.zookeeper.items() if view.mode in SERVING and name in pods)


def has_quorum(participants: frozenset[int], serving: frozenset[int]) -> bool:
    return len(participants & serving) > len(participants) // 2


def take_vote(number: int, ensemble: Ensemble, observed: Observed) -> Decision:
    """Of one whose data are gone: with a vote it could elect a leader that lacks what it has acknowledged itself."""
    return _remove(number, ensemble, find_serving_numbers(observed), observed)


def _remove(number: int, ensemble: Ensemble, serving: frozenset[int], observed: Observed) -> Decision:
    """The rest must have a quorum without it."""
    if not has_quorum(ensemble.participants - {number}, serving):
        return _wait(f"member {number} keeps its vote until a majority of the others serves")
    step = steps.RemoveMember(_addresses(observed), number, ensemble.version)
    return Plan((step,), "RemovingMember", f"member {number} loses its vote")


def _add(number: int, ensemble: Ensemble, serving: frozenset[int], observed: Observed) -> Decision:
    """The old ensemble must have a quorum, and so must the new one."""
    if not has_quorum(ensemble.participants, serving) or not has_quorum(ensemble.participants | {number}, serving):
        return _wait(f"member {number} gets its vote once a majority of the others serves")
    step = steps.AddMember(_addresses(observed), number, ensemble.version)
    return Plan((step,), "AddingMember", f"member {number} follows, and gets its vote")


def _addresses(observed: Observed) -> tuple[str, ...]:
    serving = [pod for pod in observed.pods if (view := observed.zookeeper.get(pod.name)) and view.mode in SERVING]
    return tuple(pod.address for pod in serving)


def _wait(message: str) -> Wait:
    return Wait("WaitingForQuorum", message, LOOK_AGAIN_SECONDS)
