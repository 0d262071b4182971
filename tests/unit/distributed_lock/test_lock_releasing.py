"""A lock that is taken away on request: once, and from nobody who came later."""

from dataclasses import replace
from typing import Any

import pytest

from caisson_operator.api.distributed_lock_status import ReleasePhase
from caisson_operator.core.decisions import Decision, Plan, Settled, Wait
from caisson_operator.core.lock_space import Holder, Lock
from caisson_operator.distributed_lock import steps
from caisson_operator.distributed_lock.decide import decide
from caisson_operator.distributed_lock.observed import Observed
from caisson_operator.distributed_lock.releasing import follow_release, read_request
from caisson_operator.distributed_lock.status import build_status
from caisson_operator.distributed_lock.wanted import Wanted
from fakes.lock_spaces import SPACE, observed, wanted

TOKEN = 5 << 40 | 7
ASKED = "invoice:42/7f3a"


def told(asked: Wanted, seen: Observed, decision: Decision) -> dict[str, Any]:
    """As it stands in the resource after the status was written."""
    return build_status(asked, seen, decision).model_dump(mode="json", by_alias=True, exclude_none=True)


def test_a_request_is_written_down_before_it_is_carried_out() -> None:
    asked = wanted(annotation=ASKED)
    seen = observed(asked)
    first = decide(asked, seen)
    assert isinstance(first, Wait)
    assert first.reason == "ReleaseRequested"
    seen = replace(seen, status=told(asked, seen, first))
    assert decide(asked, seen) == Plan(
        (steps.Release("invoice:42", TOKEN),), "ReleasingLock", "the lock invoice:42 is taken from its holders"
    )


def test_a_request_that_was_carried_out_is_not_carried_out_again() -> None:
    asked = wanted(annotation=ASKED)
    seen = observed(asked)
    seen = replace(seen, status=told(asked, seen, decide(asked, seen)))
    seen = replace(seen, status=told(asked, seen, decide(asked, seen)))
    assert seen.status["release"]["phase"] == "Done"
    assert seen.status["release"]["released"] == 1
    decision = decide(asked, seen)
    assert isinstance(decision, Wait)
    assert decision.reason == "Watching"


def test_after_a_crash_whoever_came_later_keeps_the_lock() -> None:
    asked = wanted(annotation=ASKED)
    seen = observed(asked)
    recorded = told(asked, seen, decide(asked, seen))
    later = replace(SPACE, locks=(Lock("invoice:42", (Holder("new", "exclusive", TOKEN + 50, 0.1),), ()),))
    plan = decide(asked, replace(seen, status=recorded, space=later))
    assert isinstance(plan, Plan)
    assert plan.steps == (steps.Release("invoice:42", TOKEN),)


def test_what_the_store_did_not_answer_is_asked_again() -> None:
    asked = wanted(annotation=ASKED)
    seen = observed(asked)
    recorded = replace(seen, status=told(asked, seen, decide(asked, seen)))
    held_up = Wait("BackendUnreachable", "the store gave no answer", 5.0)
    status = follow_release(asked, recorded, held_up)
    assert status is not None
    assert status.phase is ReleasePhase.REQUESTED


def test_another_request_of_the_same_lock_is_carried_out_too() -> None:
    asked = wanted(annotation=ASKED)
    seen = observed(asked)
    seen = replace(seen, status=told(asked, seen, decide(asked, seen)))
    seen = replace(seen, status=told(asked, seen, decide(asked, seen)))
    again = follow_release(wanted(annotation="invoice:42/8888"), seen, Settled())
    assert again is not None
    assert (again.request, again.phase) == ("8888", ReleasePhase.REQUESTED)


def test_a_lock_that_nobody_holds_is_refused() -> None:
    asked = wanted(annotation="nothing/1")
    seen = observed(asked)
    status = follow_release(asked, seen, Settled())
    assert status is not None
    assert (status.phase, status.message) == (ReleasePhase.REFUSED, "nobody holds the lock nothing")


@pytest.mark.parametrize("text", ["", "invoice", "/id", "a/", "a/b c", "a/" + "x" * 64])
def test_an_annotation_without_the_wanted_form_is_refused_with_the_form(text: str) -> None:
    assert read_request(text) is None
    if text:
        asked = wanted(annotation=text)
        status = follow_release(asked, observed(asked), Settled())
        assert status is not None
        assert "LOCK/REQUEST" in str(status.message)


def test_the_name_of_a_lock_may_hold_slashes() -> None:
    request = read_request("a/b/c/1")
    assert request is not None
    assert (request.lock, request.id) == ("a/b/c", "1")
