"""Kubernetes objects that the cluster needs and that are missing or not as wanted; and pods that are to come. Pure."""

from caisson_operator.core.content import content_of, identity_of
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait, decide_first

from . import steps
from .certificates import decide_certificates
from .manifests import Names, Shape, build_objects
from .observed import Observed, find_ensemble, find_leader
from .wanted import Wanted

LOOK_AGAIN_SECONDS = 2.0


def decide_provisioning(wanted: Wanted, observed: Observed) -> Decision:
    return decide_first(
        lambda: _make_credentials(wanted, observed),
        lambda: decide_certificates(wanted, observed),
        lambda: _make_epoch(wanted, observed),
        lambda: _apply(wanted, observed),
        lambda: _make_leading(wanted, observed),
    )


def wait_for_members(wanted: Wanted, observed: Observed) -> Decision:
    missing = [name for name in _names(wanted) if not _is_up(name, observed)]
    surplus = [pod.name for pod in observed.pods if pod.ordinal >= wanted.members]
    if missing:
        told = "; ".join(f"{name}{_why(name, observed)}" for name in missing)
        return Wait("WaitingForMembers", f"not ready yet: {told}"[:1000], LOOK_AGAIN_SECONDS)
    if surplus:
        return Wait("MembersLeave", f"still there: {', '.join(surplus)}", LOOK_AGAIN_SECONDS)
    return Settled()


def build_shape(wanted: Wanted, observed: Observed) -> Shape:
    """A member that is to go stays for as long as it leads, or has a vote."""
    is_formed = observed.is_formed or find_ensemble(observed) is not None
    return Shape(
        replicas=max(wanted.members, _count_needed(wanted, observed)),
        is_formed=is_formed,
        claimed_size=observed.claimed_size,
        credentials_uid=observed.credentials_uid,
        authority_uid=observed.authority_uid,
        authority=observed.authority.certificate if observed.authority else "",
    )


def _count_needed(wanted: Wanted, observed: Observed) -> int:
    present = observed.replicas or 0
    if present <= wanted.members:
        return 0
    if not wanted.is_redis:
        ensemble = find_ensemble(observed)
        return max(ensemble.participants, default=0) if ensemble else present
    leader = find_leader(wanted, observed)
    pod = observed.pod(leader) if leader else None
    is_leader_staying = pod is not None and pod.ordinal < wanted.members
    return 0 if is_leader_staying else present


def _make_credentials(wanted: Wanted, observed: Observed) -> Decision:
    if observed.passwords:
        return Settled()
    name = wanted.owner.name
    if observed.has_volumes:
        return Refuse(
            "CredentialsLost",
            f"volumes of {name} exist, but the Secret {name}-credentials that their members know each other by does not: "
            f"restore it, or delete the volumes (label caisson.dev/name={name}) to begin anew",
        )
    return Plan((steps.MakeCredentials(),), "MakingCredentials", "making the passwords of the cluster")


def _make_epoch(wanted: Wanted, observed: Observed) -> Decision:
    """Where somebody has deleted it, the number that the status tells is the least that it may begin with."""
    if not wanted.is_redis or observed.epoch:
        return Settled()
    told = int(observed.status.get("epoch") or 0)
    served = [view.epoch for view in observed.redis.values()]
    return Plan((steps.MakeEpoch(max([told, *served])),), "MakingEpoch", "making the record of the epoch")


def _make_leading(wanted: Wanted, observed: Observed) -> Decision:
    if not wanted.is_redis or not wanted.is_replicated or observed.has_leading:
        return Settled()
    return Plan((steps.MakeLeading(),), "MakingEndpoints", "making the endpoints that clients are led by")


def _apply(wanted: Wanted, observed: Observed) -> Decision:
    assert observed.passwords is not None
    built = build_objects(wanted, observed.passwords, build_shape(wanted, observed))
    stale = tuple(m for m in built if observed.contents.get(identity_of(m)) != content_of(m))
    if not stale:
        return Settled()
    names = ", ".join(sorted({f"{m['kind']} {m['metadata']['name']}" for m in stale}))
    return Plan((steps.Apply(stale),), "ApplyingObjects", f"applying {names}"[:1000])


def _names(wanted: Wanted) -> tuple[str, ...]:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    return tuple(names.pod(ordinal) for ordinal in range(wanted.members))


def _is_up(name: str, observed: Observed) -> bool:
    pod = observed.pod(name)
    return pod is not None and pod.is_ready and not pod.is_leaving


def _why(name: str, observed: Observed) -> str:
    pod = observed.pod(name)
    trouble = (pod.trouble if pod else "") or observed.unreachable.get(name, "")
    return f" ({trouble})" if trouble else ""
