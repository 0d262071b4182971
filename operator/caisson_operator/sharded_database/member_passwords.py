"""Another password for Patroni's REST API, which members call each other with and the operator calls them with, on request. Pure.

A mounted Secret follows a change on each node at its own time, and a primary that its standbys refuse while the API server is away
steps down. So members take every password that the Secret holds, send the one that is, and tell in their pods which those are:

1. the Secret holds what is coming beside what is (PrepareMemberPassword);
2. once every member was seen to take it, what is coming is what is, and what was is held beside it (AdoptMemberPassword): some
   send the new one by then, and others the old one still;
3. once every member was seen to send the new one, what was is taken away (RetireMemberPassword).

Nothing else is remembered: what the Secret holds and what the members tell say which of these is next, and from the first on
the annotation is not needed any more. A member that is away, or whose image cannot tell, is waited for: nothing is refused meanwhile.

What must hold: every member takes what any other sends, and what the operator does (tests/sim/test_member_passwords_machine.py).
"""

from collections.abc import Iterator

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Step, Wait

from . import steps
from .logins import ROTATION
from .manifests import ShardNames
from .observed import Objects, Observed, Pod
from .wanted import MEMBER_ROTATION_ANNOTATION, Wanted

REASON = "RotatingMemberCredentials"
LOOK_AGAIN_SECONDS = 30.0


def decide_member_passwords(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """An expansion goes first, as before the operator's own passwords: with other credentials it opens other sessions."""
    due = None if is_expanding or _list_late(wanted, observed) else _find_due(wanted, observed)
    return Plan((due,), REASON, "another password for the REST API of the members") if due else Settled()


def _find_due(wanted: Wanted, observed: Observed) -> Step | None:
    """Where no member is late."""
    objects = observed.objects
    if objects.coming_member_rotation is not None:
        return steps.AdoptMemberPassword(objects.coming_member_rotation)
    if objects.previous_member_rotation is not None:
        return steps.RetireMemberPassword(objects.member_rotation)
    if objects.shards and _is_asked(wanted, observed):
        return steps.PrepareMemberPassword(str(wanted.member_rotation))
    return None


def explain_member_rotation(wanted: Wanted, observed: Observed) -> Decision:
    """At the very end: a request that cannot be read, or not be followed yet, holds nothing else up."""
    request = wanted.member_rotation
    if request is not None and not ROTATION.fullmatch(request):
        return Refuse(
            "RotationUnreadable",
            f"the annotation {MEMBER_ROTATION_ANNOTATION} must be an id of at most 63 letters, digits, '-', '.' and '_'",
        )
    objects = observed.objects
    is_begun = objects.coming_member_rotation is not None or objects.previous_member_rotation is not None
    if not is_begun and not _is_asked(wanted, observed):
        return Settled()
    return Wait(REASON, f"waiting for {_tell_hindrance(wanted, observed)}"[:1800], LOOK_AGAIN_SECONDS)


def _tell_hindrance(wanted: Wanted, observed: Observed) -> str:
    late = ", ".join(_list_late(wanted, observed))
    return f"every member to be up, and to take up what it has mounted: {late}" if late else "the expansion to end"


def followed_member_rotation(observed: Observed) -> str:
    """The last request whose password alone is taken; empty: the first day."""
    previous = observed.objects.previous_member_rotation
    return observed.objects.member_rotation if previous is None else previous


def _is_asked(wanted: Wanted, observed: Observed) -> bool:
    request = wanted.member_rotation
    return bool(request and ROTATION.fullmatch(request) and request != observed.objects.member_rotation)


def _list_late(wanted: Wanted, observed: Observed) -> list[str]:
    """Who has not told yet that it is where the next step wants all of them; also who has no pod, by the name that it will have."""
    pods = observed.objects.pods
    late = {pod.name for pod in pods if not _is_where_wanted(pod, observed.objects)}
    return sorted(late | (set(_expect(wanted, observed)) - {pod.name for pod in pods}))


def _is_where_wanted(pod: Pod, objects: Objects) -> bool:
    """Takes what is coming, or where nothing is, sends what is."""
    told = pod.told.restapi_rotations
    if objects.coming_member_rotation is not None:
        return objects.coming_member_rotation in told
    return told[:1] == (objects.member_rotation,)


def _expect(wanted: Wanted, observed: Observed) -> Iterator[str]:
    for shard in observed.objects.shards:
        scope = ShardNames(wanted.database.name, shard).scope
        yield from (f"{scope}-{number}" for number in range(wanted.members))
