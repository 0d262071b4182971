"""Other passwords for the roles that the operator alone logs in as, on request: the superuser's and the owner's. Pure.

A role of PostgreSQL has one password, and a shard that is away has none of the new ones yet. So the Secret of credentials keeps
both, and the operator tries them in turn, until every shard was seen to have the new one:

1. the Secret holds what is coming beside what is (PrepareOperatorPasswords);
2. every shard gives both roles what is coming, in one transaction, and notes the request (ChangeOperatorPasswords);
3. what is coming is what is; what was is kept until the next request (AdoptOperatorPasswords), for a shard that was made while this
   went on and still had it mounted, or that has lost the change in a failover of an asynchronous one. It lacks the note, and is
   given the new ones.

Nothing else is remembered: what the Secret holds and what the shards note tell which of these is next, and from the first on
the annotation is not needed any more. Nobody waits for it: applications have roles of their own, and open sessions go on.

What must hold: whatever a shard takes, the Secret holds; and whom the binding names keeps his password, though later ones follow from
the superuser's (tests/sim/test_operator_passwords_machine.py).
"""

from collections.abc import Iterator

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Step, Wait
from caisson_operator.core.layout import RETIRED, RETIRING

from . import steps
from .logins import ROTATION
from .observed import Observed, Shard
from .wanted import OPERATOR_ROTATION_ANNOTATION, Wanted

REASON = "RotatingOperatorCredentials"
LOOK_AGAIN_SECONDS = 30.0


def decide_operator_passwords(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """An expansion goes first: with other passwords the operator opens other sessions."""
    todo = tuple(_list_due(wanted, observed, is_expanding))
    return Plan(todo, REASON, "other passwords for the superuser and the owner") if todo else Settled()


def _list_due(wanted: Wanted, observed: Observed, is_expanding: bool) -> Iterator[Step]:
    now, coming = observed.objects.operator_rotation, observed.objects.coming_rotation
    latest = coming or now
    late = [shard for shard in observed.shards.values() if latest and shard.schema_version and not _has(shard, latest)]
    if late:
        yield from (steps.ChangeOperatorPasswords(shard.name, latest) for shard in late)
    elif not is_expanding and _is_everybody_at(latest, observed) and _are_logins_settled(observed):
        if coming:
            yield steps.AdoptOperatorPasswords(coming, observed.objects.login)
        elif _is_asked(wanted, observed):
            yield steps.PrepareOperatorPasswords(str(wanted.operator_rotation))


def explain_operator_rotation(wanted: Wanted, observed: Observed) -> Decision:
    """At the very end: a request that cannot be read, or not be followed yet, holds nothing else up."""
    request = wanted.operator_rotation
    if request is not None and not ROTATION.fullmatch(request):
        return Refuse(
            "RotationUnreadable",
            f"the annotation {OPERATOR_ROTATION_ANNOTATION} must be an id of at most 63 letters, digits, '-', '.' and '_'",
        )
    if not observed.objects.coming_rotation and not _is_asked(wanted, observed):
        return Settled()
    return Wait(REASON, f"waiting for {_tell_hindrance(observed)}", LOOK_AGAIN_SECONDS)


def _tell_hindrance(observed: Observed) -> str:
    if not _are_logins_settled(observed):
        return "the rotation of the applications' password, which is not over yet"
    away = ", ".join(sorted(observed.objects.shards - observed.shards.keys()))
    return f"every shard to be up: {away}" if away else "every shard to have the new passwords"


def _is_asked(wanted: Wanted, observed: Observed) -> bool:
    request = wanted.operator_rotation
    return bool(request and ROTATION.fullmatch(request) and request != observed.objects.operator_rotation)


def _has(shard: Shard, rotation: str) -> bool:
    return shard.operator_rotation == rotation


def _is_everybody_at(rotation: str, observed: Observed) -> bool:
    """Of the first day's passwords nothing is noted anywhere."""
    found = [observed.shards.get(name) for name in observed.objects.shards]
    return bool(found) and all(shard is not None and (not rotation or _has(shard, rotation)) for shard in found)


def _are_logins_settled(observed: Observed) -> bool:
    """Every shard lets in whom the binding names, and nobody else has a password that somebody has yet to hear of.

    The passwords of applications follow from the superuser's: one that some shards have already must stay what it is.
    """
    bound = observed.objects.login
    for shard in observed.shards.values():
        others = (mark for role, mark in shard.logins.items() if role != bound.role)
        if shard.logins.get(bound.role) != bound.mark or any(mark not in (RETIRED, RETIRING) for mark in others):
            return False
    return True
