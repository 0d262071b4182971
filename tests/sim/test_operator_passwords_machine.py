"""Other passwords for the operator's roles under whatever comes in between: crashes after any step, shards that are away, or new and
bootstrapped with whatever their pod had mounted, a late leader's steps, and rotations of the applications' password beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from caisson_operator.core.decisions import Decision, Plan
from caisson_operator.core.layout import FIRST_LOGIN, RETIRED, RETIRING, Login
from caisson_operator.sharded_database import logins, operator_passwords, steps
from caisson_operator.sharded_database.credentials import (
    Credentials,
    OperatorPasswords,
    Pinned,
    adopt_operators,
    build_credentials,
    build_login_password,
    prepare_operators,
)
from caisson_operator.sharded_database.observed import Objects, Observed, Shard
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import NOW, build_wanted, settle

MOST_SHARDS = 3
WANTED = {count: build_wanted(count) for count in range(1, MOST_SHARDS + 1)}
SETTLED = {count: settle(wanted) for count, wanted in WANTED.items()}
MANY = settings(max_examples=150, stateful_step_count=40, report_multiple_bugs=False, derandomize=True)


@dataclass
class Roles:
    """One shard: what its roles take, and what it notes."""

    superuser: str
    owner: str
    passwords: dict[str, str]
    marks: dict[str, str]
    rotation: str = ""
    is_away: bool = False

    @property
    def is_even(self) -> bool:
        return self.superuser.rsplit("-", 1)[0] == self.owner.rsplit("-", 1)[0]


def merge(credentials: Credentials, changes: dict[str, str | None]) -> Credentials:
    """What the API server does, on the fields that change."""
    if not changes:
        return credentials
    found = {key: value for key, value in changes.items() if value is not None}

    def read(prefix: str, before: OperatorPasswords | None) -> OperatorPasswords | None:
        if f"{prefix}rotation" not in changes:
            return before
        return OperatorPasswords(*(found[f"{prefix}{n}"] for n in ("rotation", "superuser", "owner"))) if f"{prefix}rotation" in found else None  # fmt: skip

    pinned = credentials.pinned
    if "login" in found:
        role, _, rotation = found["login"].partition(" ")
        pinned = Pinned(Login(role, rotation), found["login_password"])
    return replace(
        credentials,
        superuser=found.get("superuser", credentials.superuser),
        owner=found.get("owner", credentials.owner),
        rotation=found.get("rotation", credentials.rotation),
        coming=read("coming_", credentials.coming),
        previous=read("previous_", credentials.previous),
        pinned=pinned,
    )


class OperatorRotation(RuleBasedStateMachine):
    """`decide`, `adopt` and `settled` are the room's own, unless a control puts others in their place."""

    decide: ClassVar[Callable[..., Decision]] = staticmethod(operator_passwords.decide_operator_passwords)
    adopt: ClassVar[Callable[..., dict[str, str | None]]] = staticmethod(adopt_operators)

    def __init__(self) -> None:
        super().__init__()
        self.secret = self.mounted = build_credentials(lambda name: f"first-{name}")
        self.noted = FIRST_LOGIN
        self.binding = (FIRST_LOGIN, self.secret.app)
        self.shards = {"s0": self.make(self.secret), "s1": self.make(self.secret)}
        self.requests = self.login_requests = self.made = 0

    @staticmethod
    def make(mounted: Credentials) -> Roles:
        return Roles(mounted.superuser, mounted.owner, {FIRST_LOGIN.role: mounted.app}, {FIRST_LOGIN.role: ""})

    def observe(self) -> Observed:
        found, seen = SETTLED[len(self.shards)], dict[str, Shard]()
        for name, roles in self.shards.items():
            if not roles.is_away:
                assert roles.superuser in [each.superuser for each in self.secret.operators]
                seen[name] = replace(found[name], logins=dict(roles.marks), operator_rotation=roles.rotation)
        coming = self.secret.coming.rotation if self.secret.coming else ""
        objects = Objects(
            claimed_sizes=dict.fromkeys(self.shards, "1Gi"),
            login=self.noted,
            operator_rotation=self.secret.rotation,
            coming_rotation=coming,
        )
        return Observed(NOW, objects, seen)

    def act(self, step: object) -> None:
        match step:
            case steps.PrepareOperatorPasswords(rotation):
                self.made += 1
                self.secret = merge(self.secret, prepare_operators(self.secret, rotation, lambda n: f"{self.made}-{n}"))
            case steps.AdoptOperatorPasswords(rotation, login):
                self.secret = merge(self.secret, self.adopt(self.secret, rotation, login))
            case steps.ChangeOperatorPasswords(shard, rotation):
                found, roles = self.secret.of_rotation(rotation), self.shards[shard]
                roles.superuser, roles.owner, roles.rotation = found.superuser, found.owner, rotation
            case steps.LetIn(shard, login):
                self.shards[shard].passwords[login.role] = build_login_password(self.secret, login)
                self.shards[shard].marks[login.role] = login.mark
            case steps.RetireRole(shard, role):
                self.shards[shard].marks[role] = RETIRING
            case _:
                raise TypeError(step)

    @rule()
    def ask(self) -> None:
        self.requests += 1

    @rule()
    def ask_for_applications(self) -> None:
        self.login_requests += 1

    @rule(done=st.integers(0, 4))
    def reconcile(self, done: int) -> None:
        """The operator looks, decides, and dies after so many steps."""
        wanted = replace(
            WANTED[len(self.shards)],
            rotation=f"a{self.login_requests}" if self.login_requests else None,
            operator_rotation=f"r{self.requests}" if self.requests else None,
        )
        observed = self.observe()
        login = logins.choose_bound_login(wanted, observed)
        if login != self.noted or self.binding[0] != self.noted:
            self.noted, self.binding = login, (login, build_login_password(self.secret, login))
            return
        decision = logins.decide_logins(wanted, observed)
        if not isinstance(decision, Plan):
            decision = self.decide(wanted, observed, False)
        for step in decision.steps[:done] if isinstance(decision, Plan) else ():
            self.act(step)

    @rule()
    def reconcile_undisturbed(self) -> None:
        for _ in range(6):
            self.reconcile(done=4)

    @precondition(lambda self: len(self.shards) < MOST_SHARDS)
    @rule(is_late=st.booleans())
    def add_shard(self, is_late: bool) -> None:
        """Its pod may have been given the Secret as it was before the last change of what holds."""
        before = self.secret.previous
        late = replace(self.secret, superuser=before.superuser, owner=before.owner) if before else self.secret
        self.shards[f"s{len(self.shards)}"] = self.make(late if is_late else self.secret)

    @rule(number=st.integers(0, MOST_SHARDS - 1))
    def leave_or_return(self, number: int) -> None:
        if roles := self.shards.get(f"s{number}"):
            roles.is_away = not roles.is_away

    @rule()
    def ten_minutes_pass(self) -> None:
        for roles in self.shards.values():
            roles.marks |= {role: RETIRED for role, mark in roles.marks.items() if mark == RETIRING}

    @invariant()
    def the_operator_comes_to_every_shard(self) -> None:
        kept = {(each.superuser, each.owner) for each in self.secret.operators}
        for name, roles in self.shards.items():
            assert (roles.superuser, roles.owner) in kept, f"{name} is locked"
            assert roles.is_even

    @invariant()
    def the_password_of_a_login_stays(self) -> None:
        login, password = self.binding
        assert build_login_password(self.secret, login) == password, "refused: the binding's password has changed"
        for name, roles in self.shards.items():
            if roles.marks.get(login.role) == login.mark:
                assert roles.passwords[login.role] == password, f"refused: {name} has another password of the binding's"


def run(machine: type[OperatorRotation]) -> None:
    run_state_machine_as_test(machine, settings=MANY)


def test_the_operator_comes_to_every_shard_and_applications_do_too() -> None:
    run(OperatorRotation)


def test_what_was_asked_for_comes_about() -> None:
    machine = OperatorRotation()
    for number in (1, 2):
        machine.ask()
        machine.ask_for_applications()
        for _ in range(20):
            machine.reconcile(4)
            machine.ten_minutes_pass()
        assert machine.secret.rotation == f"r{number}"
        assert machine.noted.rotation == f"a{number}"
        assert {(r.superuser, r.owner) for r in machine.shards.values()} == {(f"{number}-superuser", f"{number}-owner")}


def go_on_without_those_who_are_away(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    there = replace(observed.objects, claimed_sizes=dict.fromkeys(observed.shards, "1Gi"))
    return operator_passwords.decide_operator_passwords(wanted, replace(observed, objects=there), is_expanding)


def forget_shards_without_a_note(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """As if what holds needed no note: a shard that was made meanwhile is taken for one that has it."""
    latest = observed.objects.operator_rotation
    if observed.objects.coming_rotation or not latest:
        return operator_passwords.decide_operator_passwords(wanted, observed, is_expanding)
    noted = {name: replace(shard, operator_rotation=latest) for name, shard in observed.shards.items()}
    return operator_passwords.decide_operator_passwords(wanted, replace(observed, shards=noted), is_expanding)


def adopt_without_a_pin(credentials: Credentials, rotation: str, login: Login) -> dict[str, str | None]:
    changes = adopt_operators(credentials, rotation, login)
    return {key: value for key, value in changes.items() if key not in ("login", "login_password")}


def test_control_where_the_bindings_password_is_not_kept_applications_are_refused() -> None:
    with pytest.raises(AssertionError, match="refused"):
        run(type("Unguarded", (OperatorRotation,), {"adopt": staticmethod(adopt_without_a_pin)}))


def rotate_twice_without_a_shard(machine: OperatorRotation) -> None:
    """It knows the first passwords only, and the second request drops what held before the first."""
    machine.leave_or_return(1)
    for _ in range(2):
        machine.ask()
        machine.reconcile_undisturbed()
        machine.the_operator_comes_to_every_shard()


def test_a_shard_that_is_away_is_waited_for() -> None:
    rotate_twice_without_a_shard(OperatorRotation())


def test_control_where_nobody_waits_for_it_the_shard_is_locked() -> None:
    unguarded = type("Unguarded", (OperatorRotation,), {"decide": staticmethod(go_on_without_those_who_are_away)})
    with pytest.raises(AssertionError, match="s1 is locked"):
        rotate_twice_without_a_shard(unguarded())


def rotate_around_a_late_shard(machine: OperatorRotation) -> None:
    """Bootstrapped with what held before, which the next request drops."""
    machine.ask()
    machine.reconcile_undisturbed()
    machine.add_shard(is_late=True)
    machine.ask()
    for _ in range(2):
        machine.reconcile(4)
        machine.the_operator_comes_to_every_shard()


def test_a_shard_that_began_with_a_password_of_before_is_not_lost() -> None:
    rotate_around_a_late_shard(OperatorRotation())


def test_control_where_notes_are_not_looked_at_it_is() -> None:
    unguarded = type("Unguarded", (OperatorRotation,), {"decide": staticmethod(forget_shards_without_a_note)})
    with pytest.raises(AssertionError, match="s2 is locked"):
        rotate_around_a_late_shard(unguarded())
