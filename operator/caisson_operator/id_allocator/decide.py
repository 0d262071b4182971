"""What to do next about one allocator: its store, its binding, its servers. Pure."""

from caisson_operator.core.backend import judge_backend
from caisson_operator.core.content import content_of, identity_of
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait, decide_first

from . import steps
from .manifests import build_objects
from .observed import Observed, is_owned_by
from .serving import decide_keys, find_access
from .wanted import Wanted

TOPOLOGIES = ("replicated",)
"""Of Redis: independent primaries have no counter in common."""
LOOK_AGAIN_SECONDS = 2.0


def decide(wanted: Wanted, observed: Observed) -> Decision:
    return decide_first(
        lambda: _make_cluster(wanted, observed),
        lambda: decide_backend(wanted, observed),
        lambda: decide_keys(wanted, observed),
        lambda: _apply(wanted, observed),
        lambda: _wait_for_servers(wanted, observed),
    )


def decide_backend(wanted: Wanted, observed: Observed) -> Decision:
    if wanted.backend is None:
        return Settled()
    return judge_backend(wanted.backend, observed.backend, TOPOLOGIES)


def _make_cluster(wanted: Wanted, observed: Observed) -> Decision:
    if not wanted.has_own_cluster or wanted.backend is None:
        return Settled()
    if observed.backend.manifest is None:
        return Plan(
            (steps.MakeCluster(),), "MakingCluster", f"making {wanted.backend.told}, since backend names no cluster"
        )
    if not is_owned_by(observed.backend.manifest, wanted.owner.uid):
        told = f"{wanted.backend.told} is not this allocator's own: to use it, name it in backend.clusterRef of a new allocator"
        return Refuse("NameTaken", told)
    return Settled()


def _apply(wanted: Wanted, observed: Observed) -> Decision:
    built = build_objects(wanted, observed.backend.entries or {}, find_access(wanted, observed))
    stale = tuple(each for each in built if observed.contents.get(identity_of(each)) != content_of(each))
    if not stale:
        return Settled()
    names = ", ".join(sorted(f"{each['kind']} {each['metadata']['name']}" for each in stale))
    return Plan((steps.Apply(stale),), "ApplyingObjects", f"applying {names}"[:1000])


def _wait_for_servers(wanted: Wanted, observed: Observed) -> Decision:
    ready = sum(pod.is_ready for pod in observed.pods)
    if ready >= wanted.replicas and observed.is_rolled_out:
        return Settled()
    return Wait("WaitingForServers", f"{ready} of {wanted.replicas} servers have ids to give", LOOK_AGAIN_SECONDS)
