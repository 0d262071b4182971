"""A rotation under whatever comes in between: crashes after any step, shards that are away or new, requests in a row.

A client has mounted some binding of the past, which follows the present one before a password that is retired runs out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from caisson_operator.core.decisions import Decision, Plan, Step
from caisson_operator.core.layout import FIRST_LOGIN, LOGIN_ROLES, RETIRED, RETIRING, Login
from caisson_operator.sharded_database import logins, steps
from caisson_operator.sharded_database.observed import Objects, Observed
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import NOW, build_wanted, settle

MOST_SHARDS = 4
WANTED = {count: build_wanted(count) for count in range(1, MOST_SHARDS + 1)}
SETTLED = {count: settle(wanted) for count, wanted in WANTED.items()}
MANY = settings(max_examples=100, stateful_step_count=40, report_multiple_bugs=False, derandomize=True)


@dataclass
class Roles:
    """One shard: whose password each role has, and whether it has run out."""

    passwords: dict[str, Login] = field(default_factory=lambda: {FIRST_LOGIN.role: FIRST_LOGIN})
    marks: dict[str, str] = field(default_factory=lambda: {FIRST_LOGIN.role: ""})
    is_away: bool = False
    is_published: bool = False

    def lets_in(self, login: Login) -> bool:
        return self.passwords.get(login.role) == login and self.marks[login.role] != RETIRED

    def act(self, step: Step) -> None:
        match step:
            case steps.LetIn(_, login):
                self.passwords[login.role], self.marks[login.role] = login, login.mark
            case steps.RetireRole(_, role):
                self.marks[role] = RETIRING
            case _:
                raise TypeError(step)


class Rotation(RuleBasedStateMachine):
    """`choose` and `decide` are the room's own, unless a control puts others in their place."""

    choose: ClassVar = staticmethod(logins.choose_bound_login)
    decide: ClassVar = staticmethod(logins.decide_logins)

    def __init__(self) -> None:
        super().__init__()
        self.shards = {"s0": Roles(is_published=True), "s1": Roles(is_published=True)}
        self.noted = self.binding = self.mounted = FIRST_LOGIN
        self.requests = 0

    def observe(self) -> Observed:
        found = SETTLED[len(self.shards)]
        seen = {n: replace(found[n], logins=dict(r.marks)) for n, r in self.shards.items() if not r.is_away}
        return Observed(NOW, Objects(claimed_sizes=dict.fromkeys(self.shards, "1Gi"), login=self.noted), seen)

    @rule()
    def ask(self) -> None:
        self.requests += 1

    @rule(done=st.integers(0, 3))
    def reconcile(self, done: int) -> None:
        """The operator looks, decides, and dies after so many steps."""
        wanted = replace(WANTED[len(self.shards)], rotation=f"r{self.requests}" if self.requests else None)
        login = self.choose(wanted, self.observe())
        if (login, login) != (self.noted, self.binding):
            self.noted = login if done > 0 else self.noted
            self.binding = login if done > 1 else self.binding
            return
        decision = self.decide(wanted, self.observe())
        for step in decision.steps[:done] if isinstance(decision, Plan) else ():
            assert isinstance(step, steps.OnShard)
            self.shards[step.shard].act(step)
        if not isinstance(decision, Plan):
            for roles in self.shards.values():
                roles.is_published = roles.is_published or not roles.is_away

    @precondition(lambda self: len(self.shards) < MOST_SHARDS)
    @rule()
    def add_shard(self) -> None:
        self.shards[f"s{len(self.shards)}"] = Roles()

    @rule(number=st.integers(0, MOST_SHARDS - 1))
    def leave_or_return(self, number: int) -> None:
        if roles := self.shards.get(f"s{number}"):
            roles.is_away = not roles.is_away

    @rule()
    def mount_follows(self) -> None:
        self.mounted = self.binding

    @precondition(lambda self: self.mounted == self.binding)
    @rule()
    def ten_minutes_pass(self) -> None:
        for roles in self.shards.values():
            roles.marks |= {role: RETIRED for role, mark in roles.marks.items() if mark == RETIRING}

    @invariant()
    def every_client_is_let_in(self) -> None:
        for name, roles in self.shards.items():
            if roles.is_published:
                assert roles.lets_in(self.binding), f"{name} refuses whom the binding names"
                assert roles.lets_in(self.mounted), f"{name} refuses whom a client has mounted"

    @invariant()
    def no_third_role(self) -> None:
        assert all(set(roles.passwords) <= set(LOGIN_ROLES) for roles in self.shards.values())


def run(machine: type[Rotation]) -> None:
    run_state_machine_as_test(machine, settings=MANY)


def test_whoever_has_a_mounted_binding_is_let_in() -> None:
    run(Rotation)


def test_what_was_asked_for_comes_about() -> None:
    machine = Rotation()
    for _ in range(3):
        machine.ask()
        for _ in range(12):
            machine.reconcile(3)
            machine.mount_follows()
            machine.ten_minutes_pass()
        assert machine.binding.rotation == f"r{machine.requests}"
        for roles in machine.shards.values():
            assert [role for role, mark in roles.marks.items() if mark != RETIRED] == [machine.binding.role]


def choose_at_once(wanted: Wanted, observed: Observed) -> Login:
    return observed.objects.login.follow(wanted.rotation)


def replace_at_once(wanted: Wanted, observed: Observed) -> Decision:
    """Without waiting for the old password to run out."""
    asked = observed.objects.login.follow(wanted.rotation)
    todo = tuple(
        steps.LetIn(name, asked)
        for name, shard in observed.shards.items()
        if shard.logins.get(asked.role) != asked.mark
    )
    return Plan(todo, "", "") if todo else logins.decide_logins(wanted, observed)


@pytest.mark.parametrize(
    ("guard", "without"),
    [("choose", choose_at_once), ("decide", replace_at_once)],
    ids=["the binding waits for every shard", "a password runs out before it is replaced"],
)
def test_control_without_its_guard_a_client_is_refused(guard: str, without: Callable[..., object]) -> None:
    unguarded = type("Unguarded", (Rotation,), {guard: staticmethod(without)})
    with pytest.raises(AssertionError, match="refuses whom"):
        run(unguarded)
