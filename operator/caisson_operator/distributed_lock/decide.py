"""What to do next about one DistributedLock: the room's decisions in their order. Pure."""

from caisson_operator.core.content import content_of, identity_of
from caisson_operator.core.decisions import Decision, Plan, Settled, Wait, decide_first

from . import steps
from .backends import BEING_MADE
from .manifests import build_binding, build_cluster
from .observed import Observed
from .releasing import decide_release
from .wanted import Wanted

LOOK_AGAIN_SECONDS, WATCH_SECONDS = 5.0, 10.0
UNSEEN_EPOCHS = 64
"""How many elections a store may have had since the operator looked last: so much an epoch that went back is lifted by."""
WATCHING = "Watching"


def decide(wanted: Wanted, observed: Observed) -> Decision:
    return decide_first(
        lambda: _make_cluster(wanted, observed),
        lambda: _wait_for_backend(observed),
        lambda: _open_space(wanted, observed),
        lambda: _wait_for_epoch(observed),
        lambda: _bind(wanted, observed),
        lambda: decide_release(wanted, observed),
        lambda: Wait(WATCHING, "looking at the locks now and then", WATCH_SECONDS),
    )


def _make_cluster(wanted: Wanted, observed: Observed) -> Decision:
    """Made once: who scales it afterwards, or changes its resources, is not overruled."""
    if not wanted.has_own_cluster or observed.trouble is None or observed.trouble.reason != BEING_MADE:
        return Settled()
    told = f"making the BackingCluster {wanted.reference} for the locks"
    return Plan((steps.Apply(build_cluster(wanted)),), "MakingBackend", told)


def _wait_for_backend(observed: Observed) -> Decision:
    return observed.trouble or Settled()


def _open_space(wanted: Wanted, observed: Observed) -> Decision:
    """A store that has lost its data, or was put back to an earlier state, is lifted above every epoch that was told of it."""
    space, told = observed.space, observed.told_epoch
    if not wanted.is_opened_by_us or space is None:
        return Settled()
    if not space.is_open:
        base = told + UNSEEN_EPOCHS if told else 0
        return Plan((steps.OpenSpace(base),), "OpeningSpace", f"opening the lock space with epochs above {base}")
    if space.epoch < told:
        base = space.base + told - space.epoch + UNSEEN_EPOCHS
        return Plan(
            (steps.OpenSpace(base),), "RaisingEpoch", f"the store counts from {space.epoch} again, below {told}"
        )
    return Settled()


def _wait_for_epoch(observed: Observed) -> Decision:
    if observed.space is None or observed.space.is_open:
        return Settled()
    told = "the epoch of the store has not been raised since it started or was promoted: no lock is granted until its agent does"
    return Wait("EpochNotRaised", told, LOOK_AGAIN_SECONDS)


def _bind(wanted: Wanted, observed: Observed) -> Decision:
    if observed.entries is None:
        return Settled()
    binding = build_binding(wanted, observed.entries)
    if observed.contents.get(identity_of(binding)) == content_of(binding):
        return Settled()
    return Plan((steps.Apply(binding),), "WritingBinding", "telling applications how to connect")
