"""Members that run what is wanted no more: which is restarted next, and what it waits for. Pure.

One at a time, and only while all members are there and ready; the primary or leader last, since every one that is restarted
before it is one that it could not be followed by twice. A primary of Redis hands over as it stops.

A server of ZooKeeper shows the certificate that it has read when it started (3.8.0 cannot read another one for its clients), so one
that shows an older one than its pod mounts is out of date too: a third of the certificate's life is left by then.
"""

from caisson_operator.core.decisions import Decision, Plan, Settled, Wait

from . import steps
from .manifests import find_template
from .observed import Observed, Pod, find_leader, is_served
from .wanted import Wanted

LOOK_AGAIN_SECONDS = 2.0


def list_outdated(wanted: Wanted, observed: Observed) -> tuple[Pod, ...]:
    template = find_template(wanted)
    return tuple(pod for pod in observed.pods if pod.template != template or _shows_an_older_certificate(pod, observed))


def _shows_an_older_certificate(pod: Pod, observed: Observed) -> bool:
    view = observed.zookeeper.get(pod.name)
    return view is not None and observed.certificate is not None and view.certified_at < observed.certificate.not_before


def decide_mending(wanted: Wanted, observed: Observed) -> Decision:
    """One that is out of date and does not serve has nothing to lose, and what is wanted now may be what mends it."""
    broken = next((pod for pod in list_outdated(wanted, observed) if not pod.is_ready and not pod.is_leaving), None)
    if broken is None:
        return Settled()
    why = f"{broken.name} is not ready, and is made anew as it is wanted now"
    return Plan((steps.Evict(broken.name, broken.uid),), "RestartingMember", why)


def decide_updates(wanted: Wanted, observed: Observed) -> Decision:
    outdated = list_outdated(wanted, observed)
    if not outdated:
        return Settled()
    told = f"{', '.join(pod.name for pod in outdated)} out of date"
    if any(not pod.is_ready or pod.is_leaving for pod in observed.pods) or not is_served(wanted, observed):
        return Wait("WaitingForMembers", f"{told}; first all members must serve", LOOK_AGAIN_SECONDS)
    leader = find_leader(wanted, observed)
    chosen = max(outdated, key=lambda pod: (pod.name != leader, pod.ordinal))
    return Plan((steps.Evict(chosen.name, chosen.uid),), "RestartingMember", f"{chosen.name} is out of date")
