"""When a shard's Role follows its members: before those that come, and after those that leave."""

from dataclasses import replace
from typing import Any

from caisson_operator.core.decisions import Plan
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.observed import Observed
from caisson_operator.sharded_database.provisioning import build_objects
from caisson_operator.sharded_database.wanted import Wanted
from fakes.members import build_members, see
from fakes.observations import build_wanted, provision

TWO, THREE = build_wanted(1), build_wanted(1, membersPerShard=3)
ROLE = ("Role", "flights-s0")


def apply(wanted: Wanted, observed: Observed) -> dict[str, dict[str, Any]]:
    """What is applied, by kind, in its order. Budgets are of no interest here."""
    decision = decide(wanted, observed)
    assert isinstance(decision, Plan)
    (step,) = decision.steps
    assert isinstance(step, steps.ApplyObjects)
    return {m["kind"]: m for m in step.manifests if m["kind"] != "PodDisruptionBudget"}


def list_pods(role: dict[str, Any]) -> list[str]:
    names: list[str] = role["rules"][-1]["resourceNames"]
    return names


def test_a_new_member_has_its_rights_before_its_pod_is_made() -> None:
    applied = apply(THREE, see(TWO))
    assert list(applied) == ["Role", "StatefulSet"]
    assert list_pods(applied["Role"]) == ["flights-s0-0", "flights-s0-1", "flights-s0-2"]


def test_a_member_that_leaves_has_its_rights_until_it_is_gone() -> None:
    before = see(THREE)
    assert list(apply(TWO, before)) == ["StatefulSet"], "the Role says what it said"
    of_three = {**provision(TWO).contents, ROLE: before.objects.contents[ROLE]}
    applied = apply(TWO, see(TWO, contents=of_three))
    assert list(applied) == ["Role"]
    assert list_pods(applied["Role"]) == ["flights-s0-0", "flights-s0-1"]


def test_a_pod_that_only_bears_the_shards_labels_is_given_to_nobody() -> None:
    first, *others = build_members(TWO)
    objects = see(TWO, (first, *others, replace(first, name="treasury-0"))).objects
    made = build_objects(TWO, objects, objects.login)
    (role,) = (m for m in made if m["kind"] == "Role")
    assert list_pods(role) == ["flights-s0-0", "flights-s0-1"]
