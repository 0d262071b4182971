"""What the room may expect of whom a shard lets in: checks that the fake and real PostgreSQL both pass, as those of contract.py."""

from collections.abc import Mapping
from typing import Protocol

import pytest

from caisson_operator.core.decisions import Step
from caisson_operator.core.layout import FIRST_MEMBER_ROLES, RETIRED, RETIRING, Login
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.member_credentials import MemberRoles, RoleLogin
from caisson_operator.sharded_database.observed import Shard

FIRST = MemberRoles(*(RoleLogin(role, "one") for role in FIRST_MEMBER_ROLES))
SECOND = FIRST.follow(lambda purpose: "two")
THIRD = SECOND.follow(lambda purpose: "three")
# What the Secret of credentials holds for each request.
MEMBER_ROLES = {"": FIRST, "r1": SECOND, "r2": THIRD}


class Engine(Protocol):
    """The shards s0 and s1, driven synchronously, with MEMBER_ROLES as what is found for LetMembersIn."""

    def act(self, step: Step) -> None: ...
    def observe(self) -> Mapping[str, Shard]: ...
    def lets_in(self, shard: str, role: str, password: str) -> bool: ...


class RolesContract:
    """Subclass it, and give it an engine."""

    def test_roles_take_turns_and_what_a_shard_notes_is_read_back(self, engine: Engine) -> None:
        first, second = Login(), Login().follow("r1")
        assert engine.observe()["s0"].logins == {first.role: ""}
        for step in (steps.LetIn("s0", second), steps.RetireRole("s0", first.role)):
            for _ in range(2):  # safe to repeat
                engine.act(step)
        assert engine.observe()["s0"].logins == {first.role: RETIRING, second.role: "rotation r1"}
        engine.act(steps.LetIn("s0", second.follow("r2")))
        assert engine.observe()["s0"].logins == {first.role: "rotation r2", second.role: "rotation r1"}
        assert engine.observe()["s1"].logins == {first.role: ""}, "another shard is another matter"

    def test_a_shard_notes_whose_passwords_the_operators_roles_have(self, engine: Engine) -> None:
        assert engine.observe()["s0"].operator_rotation == ""
        for rotation in ("r1", "r1", "r2"):
            engine.act(steps.ChangeOperatorPasswords("s0", rotation))
            assert engine.observe()["s0"].operator_rotation == rotation
        assert engine.observe()["s1"].operator_rotation == "", "another shard is another matter"

    def test_the_members_roles_take_turns_and_what_a_shard_notes_is_read_back(self, engine: Engine) -> None:
        assert engine.observe()["s0"].member_roles == dict.fromkeys(FIRST.names, "")
        for step in (steps.LetMembersIn("s0", "r1"), steps.RetireMemberRoles("s0", FIRST.names)):
            for _ in range(2):  # safe to repeat
                engine.act(step)
        second = dict.fromkeys(SECOND.names, "rotation r1")
        assert engine.observe()["s0"].member_roles == dict.fromkeys(FIRST.names, RETIRED) | second
        engine.act(steps.LetMembersIn("s0", "r2"))
        assert engine.observe()["s0"].member_roles == dict.fromkeys(FIRST.names, "rotation r2") | second
        assert engine.observe()["s1"].member_roles == dict.fromkeys(FIRST.names, ""), "another shard is another matter"

    def test_members_are_let_in_as_the_roles_that_were_told_and_as_no_others(self, engine: Engine) -> None:
        for step, let_in in (
            (steps.LetMembersIn("s0", ""), [FIRST]),
            (steps.LetMembersIn("s0", "r1"), [FIRST, SECOND]),
            (steps.RetireMemberRoles("s0", FIRST.names), [SECOND]),
            (steps.LetMembersIn("s0", "r2"), [SECOND, THIRD]),
        ):
            engine.act(step)
            assert find_let_in(engine) == let_in

    def test_members_are_not_let_in_as_what_the_secret_does_not_hold(self, engine: Engine) -> None:
        before = engine.observe()["s0"].member_roles
        with pytest.raises(LookupError):
            engine.act(steps.LetMembersIn("s0", "r9"))
        assert engine.observe()["s0"].member_roles == before


def find_let_in(engine: Engine) -> list[MemberRoles]:
    """Those of which both roles are let in. Fails where one alone is."""
    found = {
        request: {engine.lets_in("s0", each.role, each.password) for each in (roles.replication, roles.rewind)}
        for request, roles in MEMBER_ROLES.items()
    }
    assert all(len(both) == 1 for both in found.values()), found
    return [MEMBER_ROLES[request] for request, both in found.items() if both == {True}]
