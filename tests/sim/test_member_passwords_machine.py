"""Another password for Patroni's REST API under whatever comes in between: mounts that follow late and each at its own time, members that
are away, new, or of an image that cannot tell, crashes, an older leader's steps, and another request before the first is over.

What a mount holds is read, taken and sent by the engine's own program (workloads/postgres/restapi_passwords.py).
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
from caisson_operator.sharded_database import member_passwords, steps
from caisson_operator.sharded_database.member_credentials import (
    MemberPassword,
    MemberPasswords,
    adopt_member,
    prepare_member,
    retire_member,
)
from caisson_operator.sharded_database.observed import Objects, Observed, Pod
from caisson_operator.sharded_database.patroni_state import MemberState
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import NOW, build_wanted
from fakes.programs import load_program

program = load_program("restapi_passwords")
MEMBERS = tuple(f"flights-s{shard}-{number}" for shard in range(2) for number in range(2))
WANTED = build_wanted(2, membersPerShard=2)
MANY = settings(max_examples=150, stateful_step_count=40, report_multiple_bugs=False, derandomize=True)


def read(keys: dict[str, str]) -> tuple[object, ...]:
    """As the engine reads a mount that holds these."""
    with TemporaryDirectory() as folder:
        data = Path(folder) / "..data"
        data.mkdir()
        for name, text in keys.items():
            (data / name).write_text(text)
        found: tuple[object, ...] = program.read_mounted(Path(folder))
        return found


def to_keys(secret: MemberPasswords) -> dict[str, str]:
    keys = secret.now.to_keys()
    for prefix, password in (("coming_", secret.coming), ("previous_", secret.previous)):
        keys |= password.to_keys(prefix) if password else {}
    return {name: text for name, text in keys.items() if text is not None}


def merge(keys: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in {**keys, **changes}.items() if text is not None}


def parse(keys: dict[str, str]) -> MemberPasswords:
    def find(prefix: str) -> MemberPassword | None:
        return MemberPassword(keys[f"{prefix}member_rotation"], keys[f"{prefix}restapi"]) if f"{prefix}restapi" in keys else None  # fmt: skip

    return MemberPasswords(MemberPassword(keys["member_rotation"], keys["restapi"]), find("coming_"), find("previous_"))


@dataclass
class Member:
    """`version` of the Secret is what its node has mounted, `taken` what its Patroni goes by, `told` what its pod says of that."""

    version: int
    taken: int
    told: int | None = None
    is_silent: bool = False  # its image cannot tell, and takes one password alone: the one of its start


class MemberRotation(RuleBasedStateMachine):
    """`decide` is the room's own, unless a control puts another in its place."""

    decide: ClassVar[Callable[..., Decision]] = staticmethod(member_passwords.decide_member_passwords)

    def __init__(self) -> None:
        super().__init__()
        self.versions = [to_keys(MemberPasswords(MemberPassword("", "first")))]
        self.mounted = [read(self.versions[0])]
        self.members: dict[str, Member] = {name: Member(0, 0, 0) for name in MEMBERS}
        self.requests = self.made = 0
        self.late_steps: list[Step] = []

    def observe(self) -> Observed:
        pods = tuple(
            Pod(name, name.split("-")[1], "replica", True, told=MemberState("running", 1, False, self.tell(member)))
            for name, member in self.members.items()
        )
        secret = parse(self.versions[-1])
        objects = Objects(
            claimed_sizes={"s0": "1Gi", "s1": "1Gi"},
            pods=pods,
            member_rotation=secret.now.rotation,
            coming_member_rotation=secret.coming.rotation if secret.coming else None,
            previous_member_rotation=secret.previous.rotation if secret.previous else None,
        )
        return Observed(NOW, objects, {})

    def tell(self, member: Member) -> tuple[str, ...]:
        return () if member.told is None else tuple(each.rotation for each in self.mounted[member.told])  # type: ignore[attr-defined]

    def decided(self) -> tuple[Step, ...]:
        wanted = replace(WANTED, member_rotation=f"r{self.requests}" if self.requests else None)
        decision = self.decide(wanted, self.observe(), False)
        return decision.steps if isinstance(decision, Plan) else ()

    def act(self, step: Step) -> None:
        keys = self.versions[-1]
        secret = parse(keys)
        match step:
            case steps.PrepareMemberPassword(rotation):
                self.made += 1
                changes = prepare_member(secret, rotation, lambda _: f"made-{self.made}")
            case steps.AdoptMemberPassword(rotation):
                changes = adopt_member(secret, rotation)
            case steps.RetireMemberPassword(rotation):
                changes = retire_member(secret, rotation)
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
    def look_and_fall_asleep(self) -> None:
        """A leader that has decided, and acts after its successor."""
        self.late_steps.extend(self.decided())

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

    @rule()
    def all_follow(self) -> None:
        for name in MEMBERS:
            self.mount_follows(name, True)
            self.loop(name)

    @rule(name=st.sampled_from(MEMBERS))
    def container_restarts(self, name: str) -> None:
        """Its pod, and what it tells, stay; it begins with what is mounted."""
        if member := self.members.get(name):
            member.taken = member.version

    @rule(name=st.sampled_from(MEMBERS), is_silent=st.booleans())
    def leave_or_return(self, name: str, is_silent: bool) -> None:
        """With an empty pod, which mounts what the Secret holds now. One with an older image is deployed only between rotations."""
        if self.members.pop(name, None) is None:
            newest = len(self.versions) - 1
            is_between = len(self.mounted[newest]) == 1
            self.members[name] = Member(newest, newest, is_silent=is_silent and is_between)

    def take(self, member: Member) -> set[str]:
        found = [each.text for each in self.mounted[member.taken]]  # type: ignore[attr-defined]
        return set(found[:1] if member.is_silent else found)

    @invariant()
    def every_member_takes_what_the_others_send(self) -> None:
        for caller, sender in self.members.items():
            sent = self.mounted[sender.taken][0].text  # type: ignore[attr-defined]
            for name, member in self.members.items():
                assert sent in self.take(member), f"{name} refuses {caller}"

    @invariant()
    def every_member_takes_what_the_operator_sends(self) -> None:
        sent = self.versions[-1]["restapi"]
        for name, member in self.members.items():
            assert sent in self.take(member), f"{name} refuses the operator"


def run(machine: type[MemberRotation]) -> None:
    run_state_machine_as_test(machine, settings=MANY)


def test_no_member_is_ever_refused() -> None:
    run(MemberRotation)


def test_what_was_asked_for_comes_about_and_the_old_one_opens_nothing() -> None:
    machine = MemberRotation()
    for number in (1, 2):
        machine.ask()
        for _ in range(4):
            machine.reconcile()
            machine.all_follow()
        assert machine.versions[-1] == {"member_rotation": f"r{number}", "restapi": f"made-{number}"}
        assert [machine.take(member) for member in machine.members.values()] == [{f"made-{number}"}] * 4


def ignore_late(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """As if every member that has a pod had told where it is."""
    objects = observed.objects
    coming = objects.coming_member_rotation
    told = (objects.member_rotation, *(() if coming is None else (coming,)))
    pods = tuple(replace(pod, told=replace(pod.told, restapi_rotations=told)) for pod in objects.pods)
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
        replace(pod, told=replace(pod.told, restapi_rotations=(now,))) if pod.name in late else pod
        for pod in objects.pods
    )
    return member_passwords.decide_member_passwords(
        wanted, replace(observed, objects=replace(objects, pods=pods)), is_expanding
    )


@pytest.mark.parametrize("decide", [ignore_late, begin_with_silent_ones])
def test_control_where_members_are_not_waited_for_some_are_refused(decide: Callable[..., Decision]) -> None:
    with pytest.raises(AssertionError, match="refuses"):
        run(type("Unguarded", (MemberRotation,), {"decide": staticmethod(decide)}))


def end_a_rotation_that_one_member_follows(machine: MemberRotation) -> None:
    machine.ask()
    machine.reconcile()
    machine.all_follow()
    machine.reconcile()
    assert len(machine.take(machine.members[MEMBERS[0]])) == 2
    for _ in range(2):
        machine.reconcile()
        machine.mount_follows(MEMBERS[0], True)
        machine.loop(MEMBERS[0])
        machine.every_member_takes_what_the_others_send()


def test_the_old_one_is_taken_for_as_long_as_somebody_sends_it() -> None:
    end_a_rotation_that_one_member_follows(MemberRotation())


def test_control_where_it_is_taken_away_at_once_the_late_ones_are_refused() -> None:
    unguarded = type("Unguarded", (MemberRotation,), {"decide": staticmethod(wait_to_adopt_only)})
    with pytest.raises(AssertionError, match=f"{MEMBERS[0]} refuses"):
        end_a_rotation_that_one_member_follows(unguarded())
