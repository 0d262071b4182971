"""Other passwords for the members, on request: of Patroni's REST API, with which they and the operator call them, and of the roles that
they come to each other as, for replication and rewind. Pure.

A mounted Secret follows a change on each node at its own time, and whoever is refused meanwhile is worse off than with an old
password: a primary steps down if a standby refuses its call while the API server is away, a standby that comes back does not stream.
So whatever the Secret holds is taken, by members (REST API) and by shards (roles, of which two take turns: member_roles.py); members
come with what is, and tell in their pods what they go by:

1. the Secret holds what is coming beside what is (PrepareMemberPassword), and every shard lets the coming roles in (LetMembersIn);
2. once every member and every shard was seen to take it, what is coming is what is, and what was is held beside it
   (AdoptMemberPassword): some come with the new one by then, and others with the old one still;
3. once every member was seen to come with the new one, and every standby to stream so, the shards let the roles that were in no more
   (RetireMemberRoles), and then what was is taken away (RetireMemberPassword).

Nothing else is remembered: what the Secret holds, what the members tell and whom the shards let in say which of these is next, and
from the first on the annotation is not needed any more. A member that is away, or whose image cannot tell, is waited for: nothing is
refused meanwhile.

What must hold: every member takes what any other sends, and what the operator does; and its shard lets in whom it comes as
(tests/sim/member_passwords).
"""

from collections.abc import Iterator

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Step, Wait

from . import steps
from .logins import ROTATION
from .manifests import ShardNames
from .member_roles import list_lacking, list_let_in, list_retired, list_unfollowed
from .observed import Objects, Observed, Pod
from .wanted import MEMBER_ROTATION_ANNOTATION, Wanted

REASON = "RotatingMemberCredentials"
LOOK_AGAIN_SECONDS = 30.0


def decide_member_passwords(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """An expansion goes first, as before the operator's own passwords: with other credentials it opens other sessions."""
    due: tuple[Step, ...] = tuple(list_let_in(observed))
    if not due and not is_expanding and not _list_late(wanted, observed) and not list_lacking(observed):
        due = tuple(_list_due(wanted, observed))
    return Plan(due, REASON, "other passwords for the members") if due else Settled()


def _list_due(wanted: Wanted, observed: Observed) -> Iterator[Step]:
    """Where no member is late, and every shard lets in all that the Secret holds."""
    objects, retired = observed.objects, tuple(list_retired(observed))
    if objects.coming_member_rotation is not None:
        yield steps.AdoptMemberPassword(objects.coming_member_rotation)
    elif retired:
        yield from () if list_unfollowed(wanted, observed) else retired
    elif objects.previous_member_rotation is not None:
        yield steps.RetireMemberPassword(objects.member_rotation)
    elif objects.shards and _is_asked(wanted, observed):
        yield steps.PrepareMemberPassword(str(wanted.member_rotation))


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
    late, lacking, unfollowed = (
        ", ".join(found)
        for found in (_list_late(wanted, observed), list_lacking(observed), list_unfollowed(wanted, observed))
    )
    if late:
        return f"every member to be up, and to take up what it has mounted: {late}"
    if lacking:
        return f"every shard to be up, and to let the members in: {lacking}"
    if observed.objects.previous_member_rotation is not None and unfollowed:
        return f"every standby to stream as {observed.objects.member_roles[0]}, and who is in as another to leave: {unfollowed}"
    return "the expansion to end"


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
    """Takes what is coming, or where nothing is, comes with what is."""
    calls, roles = pod.told.restapi_rotations, pod.told.role_rotations
    coming = objects.coming_member_rotation
    if coming is not None:
        return coming in calls and (coming in roles or not objects.coming_member_roles)
    return calls[:1] == roles[:1] == (objects.member_rotation,)


def _expect(wanted: Wanted, observed: Observed) -> Iterator[str]:
    for shard in observed.objects.shards:
        scope = ShardNames(wanted.database.name, shard).scope
        yield from (f"{scope}-{number}" for number in range(wanted.members))
