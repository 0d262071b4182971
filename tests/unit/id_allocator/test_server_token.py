"""The servers' token is the allocator's own: a Secret that cannot be it is told of, neither taken over nor made again and again."""

from typing import Any

import pytest

from caisson_operator.api.id_allocator_spec import Mode
from caisson_operator.core.backend import BackendSeen
from caisson_operator.core.decisions import Decision, Plan, Wait
from caisson_operator.core.objects import Owner, build_secret
from caisson_operator.id_allocator import steps
from caisson_operator.id_allocator.decide import decide
from caisson_operator.id_allocator.manifests import build_token
from caisson_operator.id_allocator.observed import Observed, read_token
from caisson_operator.id_allocator.status import build_status
from caisson_operator.id_allocator.wanted import Wanted

OWNER = Owner("caisson.dev/v1alpha1", "IdAllocator", "demo", "orders", "uid")
FORMER = Owner("caisson.dev/v1alpha1", "IdAllocator", "demo", "orders", "uid of a former one")
NAME = "orders-id-server-binding"


def wanted(owner: Owner = OWNER, replicas: int = 2) -> Wanted:
    return Wanted(owner, Mode.UUID7, None, False, {}, replicas, "ids:1", {})


def observed(secret: dict[str, Any] | None) -> Observed:
    token, trouble = read_token(secret, OWNER.uid)
    return Observed({}, BackendSeen(), token=token, token_trouble=trouble)


def decide_about(secret: dict[str, Any] | None, replicas: int = 2) -> Decision:
    return decide(wanted(replicas=replicas), observed(secret))


def test_makes_a_token_where_there_is_none_and_then_the_servers() -> None:
    first, then = decide_about(None), decide_about(build_token(wanted(), "sesame"))
    assert isinstance(first, Plan)
    assert first.steps == (steps.MakeToken(),)
    assert isinstance(then, Plan)
    assert isinstance(then.steps[0], steps.Apply)
    assert "Deployment" in {each["kind"] for each in then.steps[0].manifests}


UNUSABLE = [
    (build_secret({"name": NAME}, "Opaque", {"token": "known to others"}), "is not this allocator's"),
    (build_token(wanted(FORMER), "sesame"), "is not this allocator's"),
    (build_secret(OWNER.owned(NAME), "Opaque", {}), "has no entry 'token'"),
    (build_token(wanted(), ""), "has no entry 'token'"),
]


@pytest.mark.parametrize(("secret", "fault"), UNUSABLE)
def test_waits_where_the_secret_of_that_name_cannot_be_used(secret: dict[str, Any], fault: str) -> None:
    decision = decide_about(secret)
    assert isinstance(decision, Wait)
    assert fault in decision.message
    status = build_status(wanted(), observed(secret), decision)
    assert ("Ready", "False", "TokenUnusable") in [(str(c.type), str(c.status), c.reason) for c in status.conditions]


def test_such_a_secret_is_nobodys_concern_without_servers() -> None:
    decision = decide_about(UNUSABLE[0][0], replicas=0)
    assert isinstance(decision, Plan)
    assert {each["kind"] for step in decision.steps if isinstance(step, steps.Apply) for each in step.manifests} == {
        "Secret"
    }
