"""Other passwords for the members under whatever comes in between: mounts that follow late and each at its own time, standbys that go on
with what they were configured with, members and shards that are away, members that are new, or of an image that cannot tell, crashes,
an older leader's steps, and another request before the first is over.

What a mount holds is read, taken and sent by the engine's own programs (workloads/postgres/restapi_passwords.py, role_logins.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from caisson_operator.core.decisions import Decision, Plan, Step
from caisson_operator.core.layout import FIRST_MEMBER_ROLES, RETIRED, mark_rotation
from caisson_operator.sharded_database import member_passwords, steps
from caisson_operator.sharded_database.credentials import encode
from caisson_operator.sharded_database.member_credentials import (
    MemberPasswords,
    adopt_member,
    prepare_member,
    read_member_passwords,
    retire_member,
)
from caisson_operator.sharded_database.observed import Objects, Observed, Pod, Shard, Standby
from caisson_operator.sharded_database.patroni_state import MemberState
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import NOW, build_wanted, settle
from fakes.programs import load_program

calls_program, roles_program = load_program("restapi_passwords"), load_program("role_logins")
SHARDS = ("s0", "s1")
MEMBERS = tuple(f"flights-{shard}-{number}" for shard in SHARDS for number in range(2))
STANDBYS = tuple(name for name in MEMBERS if name.endswith("1"))
WANTED = build_wanted(2, membersPerShard=2)
SETTLED = settle(WANTED)
MANY = settings(max_examples=150, stateful_step_count=40, report_multiple_bugs=False, derandomize=True)
FIRST = {"restapi": "first", "replication": "first", "rewind": "first", "passfile": "first"}

Login = tuple[str, str]
"""A role and its password."""


@dataclass(frozen=True)
class Mount:
    """What the engine makes of it: passwords of calls, the requests that the roles are of, and the logins to come with."""

    calls: tuple[str, ...]
    told_calls: tuple[str, ...]
    told_roles: tuple[str, ...]
    logins: tuple[Login, ...]


def read(keys: dict[str, str]) -> Mount:
    """As the engine reads a mount that holds these."""
    with TemporaryDirectory() as folder:
        data = Path(folder) / "..data"
        data.mkdir()
        for name, text in keys.items():
            (data / name).write_text(text)
        calls, roles = calls_program.read_mounted(Path(folder)), roles_program.read_mounted(Path(folder))
    logins = tuple((each["username"], each["password"]) for each in roles.logins.values())
    return Mount(tuple(each.text for each in calls), tuple(each.rotation for each in calls), roles.rotations, logins)


def merge(keys: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in {**keys, **changes}.items() if text is not None}


def parse(keys: dict[str, str]) -> MemberPasswords:
    return read_member_passwords({name: str(text) for name, text in encode(keys).items()})


@dataclass
class Member:
    """`version` of the Secret is what its node has mounted, `taken` what its Patroni goes by, `told` what its pod says of that, and
    `streams` what its standby was configured with last."""

    version: int
    taken: int
    streams: int
    told: int | None = None
    is_silent: bool = False  # its image cannot tell, and takes one password alone: the one of its start
    is_cut_off: bool = False


@dataclass
class Roles:
    """One shard: what its roles let in with, and what it notes of it."""

    passwords: dict[str, str]
    marks: dict[str, str]
    is_away: bool = False


class MemberRotation(RuleBasedStateMachine):
    """`decide` is the room's own, unless a control puts another in its place."""

    decide: ClassVar[Callable[..., Decision]] = staticmethod(member_passwords.decide_member_passwords)

    def __init__(self) -> None:
        super().__init__()
        self.versions = [FIRST]
        self.mounted = [read(FIRST)]
        self.members: dict[str, Member] = {name: Member(0, 0, 0, 0) for name in MEMBERS}
        self.shards = {
            name: Roles(dict.fromkeys(FIRST_MEMBER_ROLES, "first"), dict.fromkeys(FIRST_MEMBER_ROLES, ""))
            for name in SHARDS
        }
        self.requests = self.made = 0
        self.late_steps: list[Step] = []

    def observe(self) -> Observed:
        secret = parse(self.versions[-1])
        assert secret.now.roles
        objects = Objects(
            claimed_sizes=dict.fromkeys(SHARDS, "1Gi"),
            pods=tuple(self.build_pod(name, member) for name, member in self.members.items()),
            member_rotation=secret.now.rotation,
            coming_member_rotation=secret.coming.rotation if secret.coming else None,
            previous_member_rotation=secret.previous.rotation if secret.previous else None,
            member_roles=secret.now.roles.names,
            coming_member_roles=secret.coming.roles.names if secret.coming and secret.coming.roles else (),
        )
        return Observed(NOW, objects, {name: self.read_shard(name) for name in SHARDS if not self.shards[name].is_away})

    def build_pod(self, name: str, member: Member) -> Pod:
        mount = None if member.told is None else self.mounted[member.told]
        told = MemberState("running", 1, False, mount.told_calls, mount.told_roles) if mount else MemberState("running")
        return Pod(name, name.split("-")[1], "replica", True, told=told)

    def read_shard(self, name: str) -> Shard:
        standbys = {
            other: Standby(True, 0, self.mounted[member.streams].logins[0][0])
            for other, member in self.members.items()
            if other in STANDBYS and name in other and not member.is_cut_off
        }
        return replace(SETTLED[name], member_roles=dict(self.shards[name].marks), standbys=standbys)

    def decided(self) -> tuple[Step, ...]:
        wanted = replace(WANTED, member_rotation=f"r{self.requests}" if self.requests else None)
        decision = self.decide(wanted, self.observe(), False)
        return decision.steps if isinstance(decision, Plan) else ()

    def act(self, step: Step) -> None:
        keys = self.versions[-1]
        secret = parse(keys)
        changes: dict[str, str | None] = {}
        match step:
            case steps.PrepareMemberPassword(rotation):
                self.made += 1
                changes = prepare_member(secret, rotation, lambda _: f"made-{self.made}")
            case steps.AdoptMemberPassword(rotation):
                changes = adopt_member(secret, rotation)
            case steps.RetireMemberPassword(rotation):
                changes = retire_member(secret, rotation)
            case steps.LetMembersIn(shard, rotation):
                found = secret.find_roles(rotation)
                for each in (found.replication, found.rewind):
                    self.shards[shard].passwords[each.role] = each.password
                    self.shards[shard].marks[each.role] = mark_rotation(rotation)
            case steps.RetireMemberRoles(shard, roles):
                for role in roles:
                    self.shards[shard].passwords.pop(role)
                    self.shards[shard].marks[role] = RETIRED
            case _:
                raise TypeError(step)
        if changes:
            self.versions.append(merge(keys, changes))
            self.mounted.append(read(self.versions[-1]))

    @rule()
    def ask(self) -> None:
        self.requests += 1

    @rule()
    def reconcile(self) -> None:
        for step in self.decided():
            self.act(step)

    @rule()
    def reconcile_half(self) -> None:
        """The operator dies after its first step."""
        for step in self.decided()[:1]:
            self.act(step)

    @rule()
    def look_and_fall_asleep(self) -> None:
        """A leader that has decided, and acts after its successor, which the shards know of by then: they refuse it."""
        self.late_steps.extend(step for step in self.decided() if not isinstance(step, steps.OnShard))

    @precondition(lambda self: self.late_steps)
    @rule()
    def wake_up(self) -> None:
        self.act(self.late_steps.pop(0))

    @rule(name=st.sampled_from(MEMBERS), is_whole=st.booleans())
    def mount_follows(self, name: str, is_whole: bool) -> None:
        """To the newest, or by one only: a kubelet may be slow."""
        if member := self.members.get(name):
            newest = len(self.versions) - 1
            member.version = newest if is_whole else min(member.version + 1, newest)

    @rule(name=st.sampled_from(MEMBERS))
    def loop(self, name: str) -> None:
        """Patroni takes up what is mounted, and tells it. Not while it hangs, or while the API server is away: the rule is not called."""
        if (member := self.members.get(name)) and not member.is_silent:
            member.taken = member.told = member.version

    @rule(name=st.sampled_from(STANDBYS))
    def standby_follows(self, name: str) -> None:
        """Patroni gives its PostgreSQL what it goes by; where it streams, it comes anew."""
        if member := self.members.get(name):
            member.streams = member.taken

    @rule(name=st.sampled_from(STANDBYS), is_cut_off=st.booleans())
    def stream_breaks_or_is_back(self, name: str, is_cut_off: bool) -> None:
        if member := self.members.get(name):
            member.is_cut_off = is_cut_off

    @rule(shard=st.sampled_from(SHARDS), is_away=st.booleans())
    def shard_goes_or_is_back(self, shard: str, is_away: bool) -> None:
        self.shards[shard].is_away = is_away

    @rule()
    def all_follow(self) -> None:
        for name in MEMBERS:
            self.mount_follows(name, True)
            self.loop(name)
        for name in STANDBYS:
            self.standby_follows(name)
            self.stream_breaks_or_is_back(name, False)

    @rule(name=st.sampled_from(MEMBERS))
    def container_restarts(self, name: str) -> None:
        """Its pod, and what it tells, stay; it begins with what is mounted."""
        if member := self.members.get(name):
            member.taken = member.streams = member.version

    @rule(name=st.sampled_from(MEMBERS), is_silent=st.booleans())
    def leave_or_return(self, name: str, is_silent: bool) -> None:
        """With an empty pod, which mounts what the Secret holds now. One with an older image is deployed only between rotations."""
        if self.members.pop(name, None) is None:
            newest = len(self.versions) - 1
            is_between = (
                len(self.mounted[newest].calls) == 1 and self.mounted[newest].logins[0][0] == FIRST_MEMBER_ROLES[0]
            )
            self.members[name] = Member(newest, newest, newest, is_silent=is_silent and is_between)

    def take(self, member: Member) -> set[str]:
        found = self.mounted[member.taken].calls
        return set(found[:1] if member.is_silent else found)

    @invariant()
    def every_member_takes_what_the_others_send(self) -> None:
        for caller, sender in self.members.items():
            sent = self.mounted[sender.taken].calls[0]
            for name, member in self.members.items():
                assert sent in self.take(member), f"{name} refuses {caller}"

    @invariant()
    def every_member_takes_what_the_operator_sends(self) -> None:
        sent = self.versions[-1]["restapi"]
        for name, member in self.members.items():
            assert sent in self.take(member), f"{name} refuses the operator"

    @invariant()
    def every_member_is_let_in_whenever_it_comes(self) -> None:
        """By its Patroni, and by its standby whose stream breaks before Patroni has given it what it goes by."""
        for name, member in self.members.items():
            passwords = self.shards[name.split("-")[1]].passwords
            for version in {member.taken, member.streams if name in STANDBYS else member.taken}:
                for role, password in self.mounted[version].logins:
                    assert passwords.get(role) == password, f"{name} is not let in as {role}"


def run(machine: type[MemberRotation]) -> None:
    run_state_machine_as_test(machine, settings=MANY)


def test_no_member_is_ever_refused() -> None:
    run(MemberRotation)


def test_what_was_asked_for_comes_about_and_the_old_one_opens_nothing() -> None:
    machine = MemberRotation()
    for number in (1, 2):
        machine.ask()
        for _ in range(6):
            machine.reconcile()
            machine.all_follow()
        secret, made = parse(machine.versions[-1]), f"made-{number}"
        assert (secret.now.rotation, secret.now.restapi, secret.coming, secret.previous) == (
            f"r{number}",
            made,
            None,
            None,
        )
        assert [machine.take(member) for member in machine.members.values()] == [{made}] * 4
        assert secret.now.roles
        assert [shard.passwords for shard in machine.shards.values()] == [
            dict.fromkeys(secret.now.roles.names, made)
        ] * 2
    assert secret.now.roles.names == FIRST_MEMBER_ROLES, "they take turns"


def ignore_late(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """As if every member that has a pod had told where it is."""
    objects = observed.objects
    coming = objects.coming_member_rotation
    told = (objects.member_rotation, *(() if coming is None else (coming,)))
    pods = tuple(
        replace(pod, told=replace(pod.told, restapi_rotations=told, role_rotations=told)) for pod in objects.pods
    )
    return member_passwords.decide_member_passwords(
        wanted, replace(observed, objects=replace(objects, pods=pods)), is_expanding
    )


def wait_to_adopt_only(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    is_adopted = observed.objects.previous_member_rotation is not None
    decide = ignore_late if is_adopted else member_passwords.decide_member_passwords
    return decide(wanted, observed, is_expanding)


def begin_with_silent_ones(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """Waits only for those that can tell."""
    told = tuple(pod for pod in observed.objects.pods if pod.told.restapi_rotations)
    late = {pod.name for pod in observed.objects.pods} - {pod.name for pod in told}
    objects = observed.objects
    now = objects.member_rotation if objects.coming_member_rotation is None else objects.coming_member_rotation
    pods = tuple(
        replace(pod, told=replace(pod.told, restapi_rotations=(now,), role_rotations=(now,)))
        if pod.name in late
        else pod
        for pod in objects.pods
    )
    return member_passwords.decide_member_passwords(
        wanted, replace(observed, objects=replace(objects, pods=pods)), is_expanding
    )


def test_control_where_members_are_not_waited_for_some_are_refused() -> None:
    with pytest.raises(AssertionError, match=r"refuses|is not let in"):
        run(type("Unguarded", (MemberRotation,), {"decide": staticmethod(ignore_late)}))


def begin_beside_a_silent_member(machine: MemberRotation) -> None:
    machine.leave_or_return(MEMBERS[1], True)
    machine.leave_or_return(MEMBERS[1], True)
    machine.ask()
    go_through(machine, 4)


def go_through(machine: MemberRotation, times: int) -> None:
    for _ in range(times):
        machine.reconcile()
        machine.all_follow()
        machine.every_member_takes_what_the_others_send()
        machine.every_member_is_let_in_whenever_it_comes()


def test_a_member_of_an_image_that_cannot_tell_keeps_what_it_knows() -> None:
    begin_beside_a_silent_member(MemberRotation())


def test_control_where_a_silent_member_is_not_waited_for_it_is_refused() -> None:
    with pytest.raises(AssertionError, match="refuses"):
        begin_beside_a_silent_member(
            type("Unguarded", (MemberRotation,), {"decide": staticmethod(begin_with_silent_ones)})()
        )


def end_a_rotation_that_one_member_follows(machine: MemberRotation) -> None:
    machine.ask()
    for _ in range(2):
        machine.reconcile()
        machine.all_follow()
    machine.reconcile()
    assert len(machine.take(machine.members[MEMBERS[0]])) == 2
    for _ in range(4):
        machine.reconcile()
        machine.mount_follows(MEMBERS[0], True)
        machine.loop(MEMBERS[0])
        machine.every_member_takes_what_the_others_send()


def test_the_old_one_is_taken_for_as_long_as_somebody_sends_it() -> None:
    end_a_rotation_that_one_member_follows(MemberRotation())


def test_control_where_it_is_taken_away_at_once_the_late_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where streams are not looked at either: they follow last."""
    monkeypatch.setattr(member_passwords, "list_unfollowed", lambda wanted, observed: [])
    unguarded = type("Unguarded", (MemberRotation,), {"decide": staticmethod(wait_to_adopt_only)})
    with pytest.raises(AssertionError, match=f"{MEMBERS[0]} refuses"):
        end_a_rotation_that_one_member_follows(unguarded())


def go_on_with_one_standby_that_streams_as_before(machine: MemberRotation) -> None:
    """Its Patroni goes by the new role and tells so, and has not given it to PostgreSQL yet."""
    machine.ask()
    for _ in range(2):
        machine.reconcile()
        machine.all_follow()
    machine.reconcile()
    before = machine.members[STANDBYS[0]].streams
    machine.all_follow()
    machine.members[STANDBYS[0]].streams = before
    for _ in range(2):
        machine.reconcile()
        machine.every_member_is_let_in_whenever_it_comes()


def test_the_old_roles_are_let_in_for_as_long_as_a_standby_streams_as_one() -> None:
    go_on_with_one_standby_that_streams_as_before(MemberRotation())


def test_control_where_streams_are_not_looked_at_a_standby_is_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_passwords, "list_unfollowed", lambda wanted, observed: [])
    with pytest.raises(AssertionError, match=f"{STANDBYS[0]} is not let in as caisson_replication"):
        go_on_with_one_standby_that_streams_as_before(MemberRotation())


def rotate_while_a_shard_is_away(machine: MemberRotation) -> None:
    machine.ask()
    machine.reconcile()
    machine.shard_goes_or_is_back("s1", True)
    go_through(machine, 4)


def test_nobody_comes_as_a_role_that_a_shard_may_lack() -> None:
    rotate_while_a_shard_is_away(MemberRotation())


def test_control_where_shards_are_not_waited_for_members_are_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_passwords, "list_lacking", lambda observed: [])
    with pytest.raises(AssertionError, match="is not let in"):
        rotate_while_a_shard_is_away(MemberRotation())
