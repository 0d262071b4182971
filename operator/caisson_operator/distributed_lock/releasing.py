"""A lock that is taken away on request: what the annotation asks for, and what became of it. Pure.

    kubectl annotate dlock jobs --overwrite caisson.dev/release-lock=invoice:42/7f3a      LOCK/REQUEST

Each request is run once. The operator cannot take the annotation away, so the id of the request in `status.release` is what
tells a new one from one that is over:

    (nothing) -> Requested -> Done
         `-----------------> Refused    nobody holds the lock, or the annotation has not the wanted form

With Requested the greatest token is written down that is held at this moment. Only holds with that token or a smaller one
are ended: after a crash in between the step is done again, and whoever has got the lock meanwhile keeps it.
"""

import json
import re
from dataclasses import dataclass

from caisson_operator.api.distributed_lock_status import LONGEST_TEXT, ReleasePhase, ReleaseStatus
from caisson_operator.core.decisions import Decision, Plan, Settled, Wait
from caisson_operator.core.lock_space import Lock

from . import steps
from .observed import Observed
from .wanted import RELEASE_ANNOTATION, Wanted

WRITTEN_SECONDS = 0.2  # a definition that does not know the field would never keep what is written
RELEASING = "ReleasingLock"
_FORM = re.compile(r"(.{1,512})/([A-Za-z0-9][-A-Za-z0-9._]{0,62})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Request:
    lock: str
    id: str


def read_request(text: str) -> Request | None:
    """None for what has not the wanted form. A lock's name may hold slashes: the id stands after the last one."""
    match = _FORM.fullmatch(text)
    return Request(*match.groups()) if match else None


def decide_release(wanted: Wanted, observed: Observed) -> Decision:
    """Acts only on what is written as Requested."""
    status = follow_release(wanted, observed, Settled())
    if status is None or status.is_over or status.lock is None or status.highest_token is None:
        return Settled()
    told = f"the lock {status.lock} is taken from its holders"
    if status != _recorded(observed):
        return Wait("ReleaseRequested", f"{told}: written down before it is begun", WRITTEN_SECONDS)
    return Plan((steps.Release(status.lock, status.highest_token),), RELEASING, told)


def follow_release(wanted: Wanted, observed: Observed, decision: Decision) -> ReleaseStatus | None:
    """`decision` is what was decided last: after the step it is the plan that was carried out."""
    recorded = _recorded(observed)
    if recorded and not recorded.is_over:
        return _end(recorded, observed) if isinstance(decision, Plan) and decision.reason == RELEASING else recorded
    if wanted.release is None:
        return recorded
    request = read_request(wanted.release)
    if request is None:
        return _refuse_form(recorded, wanted.release.strip()[:LONGEST_TEXT], observed)
    if recorded and recorded.lock is not None and recorded.request == request.id:
        return recorded
    return _begin(request, observed) if observed.space is not None else recorded


def _begin(request: Request, observed: Observed) -> ReleaseStatus:
    locks: tuple[Lock, ...] = observed.space.locks if observed.space else ()
    tokens = [holder.token for lock in locks if lock.name == request.lock for holder in lock.holders]
    status = ReleaseStatus(request=request.id, lock=request.lock, phase=ReleasePhase.REQUESTED, at=observed.now)
    if not tokens:
        update = {"phase": ReleasePhase.REFUSED, "message": f"nobody holds the lock {request.lock}", "released": 0}
        return status.model_copy(update=update)
    told = f"held {'once' if len(tokens) == 1 else f'{len(tokens)} times'}; about to be taken away"
    return status.model_copy(update={"highest_token": max(tokens), "released": len(tokens), "message": told})


def _end(recorded: ReleaseStatus, observed: Observed) -> ReleaseStatus:
    count = recorded.released or 0
    told = f"taken from {count} holder{'' if count == 1 else 's'}, whose tokens are older than the next one"
    return recorded.model_copy(update={"phase": ReleasePhase.DONE, "message": told, "at": observed.now})


def _refuse_form(recorded: ReleaseStatus | None, text: str, observed: Observed) -> ReleaseStatus:
    if recorded and recorded.request == text and recorded.lock is None:
        return recorded
    message = (
        f"the annotation {RELEASE_ANNOTATION} wants LOCK/REQUEST, such as invoice:42/7f3a, with a new REQUEST each time"
    )
    return ReleaseStatus(request=text, phase=ReleasePhase.REFUSED, message=message, at=observed.now)


def _recorded(observed: Observed) -> ReleaseStatus | None:
    told = observed.status.get("release")
    return ReleaseStatus.model_validate_json(json.dumps(told)) if told else None
