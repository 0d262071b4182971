"""Whom applications log in as, and how that changes on request without a statement refused. Pure.

A role of PostgreSQL has one password, and applications hear of a new one late: a mounted Secret follows within a minute or so.
So two roles take turns, the second a member of the first:

1. every shard lets the other role in, with the new password (LetIn);
2. the binding names it, and the Secret of credentials notes whom the binding names;
3. the old role's password runs out, some minutes later by the shards' own clocks (RetireRole). Sessions outlive it.

A request that comes before the old password of the other role has run out waits for that.

What must hold: the binding names only whom every shard lets in; nobody is retired whom it names; and a password that a client may
still have mounted is let in until it has heard of the next (tests/sim/test_rotation_machine.py).
"""

import re
from collections.abc import Iterator

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Step, Wait
from caisson_operator.core.layout import RETIRED, RETIRING, Login, other_role

from . import steps
from .observed import Observed, Shard
from .wanted import Wanted

LOOK_AGAIN_SECONDS = 30.0
ROTATION = re.compile(r"[A-Za-z0-9._-]{1,63}")


def choose_bound_login(wanted: Wanted, observed: Observed) -> Login:
    """Whom the binding is to name: the one that is asked for, once every shard that there is lets it in."""
    now, asked = observed.objects.login, _asked_for(wanted, observed)
    shards = (observed.shards.get(shard) for shard in observed.objects.shards)
    return asked if all(shard is not None and _lets_in(shard, asked) for shard in shards) else now


def decide_logins(wanted: Wanted, observed: Observed) -> Decision:
    """Where the binding is as it is to be: objects come first. A shard that was just made learns here whom the others let in."""
    asked, now = _asked_for(wanted, observed), observed.objects.login
    shards = [shard for shard in observed.shards.values() if shard.schema_version]
    todo = tuple(step for shard in shards for step in _turn(shard, asked, now))
    told = f"whom applications log in as: {now.role}, then {asked.role}" if asked != now else f"only as {now.role}"
    return Plan(todo, "RotatingCredentials", told) if todo else Settled()


def _turn(shard: Shard, asked: Login, now: Login) -> Iterator[Step]:
    """What is due on this shard. A password that somebody may still come with is not replaced, but runs out first."""
    other = other_role(now.role)
    mark = shard.logins.get(other, RETIRED)
    if not _lets_in(shard, now):
        yield steps.LetIn(shard.name, now)
    elif asked != now and mark == RETIRED:
        yield steps.LetIn(shard.name, asked)
    elif mark not in (RETIRED, RETIRING) and (asked == now or mark != asked.mark):
        yield steps.RetireRole(shard.name, other)


def explain_rotation(wanted: Wanted, observed: Observed) -> Decision:
    """At the very end: a request that cannot be read, or not be followed yet, holds nothing else up."""
    if wanted.rotation is not None and not ROTATION.fullmatch(wanted.rotation):
        return Refuse(
            "RotationUnreadable",
            "the annotation caisson.dev/rotate-credentials must be an id of at most 63 letters, digits, '-', '.' and '_'",
        )
    asked = _asked_for(wanted, observed)
    if asked == observed.objects.login:
        return Settled()
    held_up = ", ".join(name for name, shard in observed.shards.items() if not _lets_in(shard, asked))
    message = f"the password that {asked.role} had before has not run out yet: {held_up}"
    return Wait("RotatingCredentials", message, LOOK_AGAIN_SECONDS)


def _asked_for(wanted: Wanted, observed: Observed) -> Login:
    is_readable = wanted.rotation is not None and ROTATION.fullmatch(wanted.rotation)
    return observed.objects.login.follow(wanted.rotation if is_readable else None)


def _lets_in(shard: Shard, login: Login) -> bool:
    return shard.logins.get(login.role) == login.mark
