"""Hypothesis looks for an order of events in which a member is refused."""

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from caisson_operator.core.layout import FIRST_MEMBER_ROLES, REPLICATION_ROLES, REWIND_ROLES
from caisson_operator.sharded_database.member_credentials import MemberPassword, MemberPasswords, MemberRoles, RoleLogin

from .controls import ignore_late
from .members import MEMBERS, SHARDS, STANDBYS
from .world import Violation, World

SECOND_MEMBER_ROLES = REPLICATION_ROLES[1], REWIND_ROLES[1]
MEMBER, STANDBY, SHARD = (st.sampled_from(names) for names in (MEMBERS, STANDBYS, SHARDS))
MANY = settings(max_examples=400, stateful_step_count=40, report_multiple_bugs=False, derandomize=True)


class MemberRotation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = self.make_world()

    def make_world(self) -> World:
        return World()

    @rule()
    def ask(self) -> None:
        self.world.ask()

    @rule()
    def reconcile(self) -> None:
        self.world.reconcile()

    @rule()
    def reconcile_half(self) -> None:
        self.world.reconcile_half()

    @rule()
    def look_and_fall_asleep(self) -> None:
        self.world.look_and_fall_asleep()

    @precondition(lambda self: self.world.late_steps)
    @rule()
    def wake_up(self) -> None:
        self.world.wake_up()

    @rule(name=MEMBER, is_whole=st.booleans())
    def mount_follows(self, name: str, is_whole: bool) -> None:
        self.world.members.mount_follows(name, is_whole)

    @rule(name=MEMBER)
    def loop(self, name: str) -> None:
        self.world.members.loop(name)

    @rule(name=STANDBY)
    def standby_follows(self, name: str) -> None:
        self.world.members.standby_follows(name)

    @rule(name=STANDBY, is_cut_off=st.booleans())
    def stream_breaks_or_is_back(self, name: str, is_cut_off: bool) -> None:
        self.world.members.cut_off(name, is_cut_off)

    @rule(shard=SHARD, is_away=st.booleans())
    def shard_goes_or_is_back(self, shard: str, is_away: bool) -> None:
        self.world.take_away(shard, is_away)

    @rule()
    def all_follow(self) -> None:
        self.world.members.all_follow()

    @rule(name=MEMBER)
    def container_restarts(self, name: str) -> None:
        self.world.members.restart(name)

    @rule(name=MEMBER, is_silent=st.booleans())
    def leave_or_return(self, name: str, is_silent: bool) -> None:
        self.world.members.leave_or_return(name, is_silent)

    @invariant()
    def nobody_is_refused(self) -> None:
        self.world.check()


class UnguardedRotation(MemberRotation):
    def make_world(self) -> World:
        return World(ignore_late)


def test_no_member_is_ever_refused() -> None:
    run_state_machine_as_test(MemberRotation, settings=MANY)


def test_control_where_members_are_not_waited_for_some_are_refused() -> None:
    with pytest.raises(Violation):
        run_state_machine_as_test(UnguardedRotation, settings=settings(MANY, phases=[Phase.generate]))


def test_what_was_asked_for_comes_about_and_the_old_one_opens_nothing() -> None:
    """And the roles take turns."""
    world = World()
    for number, roles in ((1, SECOND_MEMBER_ROLES), (2, FIRST_MEMBER_ROLES)):
        world.ask()
        for _ in range(6):
            world.reconcile()
            world.members.all_follow()
        found, made = world.secret.passwords, f"made-{number}"
        assert found == MemberPasswords(build_password(f"r{number}", made, roles))
        assert [world.members.take(name) for name in MEMBERS] == [{made}] * 4
        assert [world.find_let_in(shard) for shard in SHARDS] == [dict.fromkeys(roles, made)] * 2


def build_password(rotation: str, text: str, roles: tuple[str, str]) -> MemberPassword:
    replication, rewind = (RoleLogin(role, text) for role in roles)
    return MemberPassword(rotation, text, MemberRoles(replication, rewind))
