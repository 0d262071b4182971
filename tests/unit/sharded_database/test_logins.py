"""Another password for the applications: in which order it comes about, and that nobody is ever named who is not let in."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait
from caisson_operator.core.layout import RETIRED, RETIRING, Login
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.credentials import build_credentials, build_login_password
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.logins import choose_bound_login, decide_logins
from caisson_operator.sharded_database.manifests.secrets import LOGIN, read_login
from caisson_operator.sharded_database.observed import Observed, Shard
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import build_wanted, observe, provision, settle

FIRST, SECOND = Login(), Login("caisson_app_b", "r1")
LET_IN_BOTH = {FIRST.role: "", SECOND.role: "rotation r1"}
TURNED = {FIRST.role: RETIRED, SECOND.role: "rotation r1"}
CREDENTIALS = build_credentials(lambda name: f"pw-{name}")


def ask(rotation: str | None, shards: int = 2) -> Wanted:
    return replace(build_wanted(shards), rotation=rotation)


def see(wanted: Wanted, bound: Login = FIRST, **logins: Mapping[str, str]) -> Observed:
    """All is well; the binding names `bound`, and these shards let in whom they are said to."""
    shards: dict[str, Shard] = settle(wanted)
    shards |= {name: replace(shards[name], logins=marks) for name, marks in logins.items()}
    return observe(wanted, shards, provision(wanted, login=bound))


def plan(decision: Decision) -> tuple[object, ...]:
    return decision.steps if isinstance(decision, Plan) else ()


def test_nobody_is_rotated_who_did_not_ask() -> None:
    assert decide(ask(None), see(ask(None))) == Settled()


def test_every_shard_lets_the_other_role_in_before_the_binding_names_it() -> None:
    wanted = ask("r1")
    assert plan(decide_logins(wanted, see(wanted))) == (steps.LetIn("s0", SECOND), steps.LetIn("s1", SECOND))
    assert choose_bound_login(wanted, see(wanted)) == FIRST
    half = see(wanted, s0=LET_IN_BOTH)
    assert plan(decide_logins(wanted, half)) == (steps.LetIn("s1", SECOND),)
    assert choose_bound_login(wanted, half) == FIRST, "s1 would refuse it"
    assert choose_bound_login(wanted, see(wanted, s0=LET_IN_BOTH, s1=LET_IN_BOTH)) == SECOND


def test_a_shard_that_cannot_be_asked_keeps_the_binding_as_it_is() -> None:
    wanted = ask("r1")
    seen = see(wanted, s0=LET_IN_BOTH, s1=LET_IN_BOTH)
    assert choose_bound_login(wanted, replace(seen, shards={"s0": seen.shards["s0"]})) == FIRST


def test_nobody_is_retired_whom_the_binding_names() -> None:
    wanted = ask("r1")
    assert decide_logins(wanted, see(wanted, s0=LET_IN_BOTH, s1=LET_IN_BOTH)) == Settled()
    named = see(wanted, SECOND, s0=LET_IN_BOTH, s1=LET_IN_BOTH)
    assert plan(decide_logins(wanted, named)) == (
        steps.RetireRole("s0", FIRST.role),
        steps.RetireRole("s1", FIRST.role),
    )
    assert decide_logins(wanted, see(wanted, SECOND, s0=TURNED, s1=TURNED)) == Settled()


@pytest.mark.parametrize("rotation", [None, "r1"], ids=["taken away", "left there"])
def test_a_request_is_followed_once(rotation: str | None) -> None:
    wanted = ask(rotation)
    assert decide_logins(wanted, see(wanted, SECOND, s0=TURNED, s1=TURNED)) == Settled()


def test_the_next_request_brings_the_first_role_back_with_another_password() -> None:
    wanted, third = ask("r2"), Login(FIRST.role, "r2")
    decision = decide_logins(wanted, see(wanted, SECOND, s0=TURNED, s1=TURNED))
    assert plan(decision) == (steps.LetIn("s0", third), steps.LetIn("s1", third))


@pytest.mark.parametrize(
    ("mark", "step"),
    [
        (RETIRING, None),
        ("", steps.RetireRole("s0", FIRST.role)),
        (RETIRED, steps.LetIn("s0", Login(FIRST.role, "r2"))),
    ],
    ids=["is running out", "was not told to, since the shard was away", "has run out"],
)
def test_a_password_that_a_client_may_still_have_runs_out_before_it_is_replaced(
    mark: str, step: steps.OnShard | None
) -> None:
    wanted = ask("r2", shards=1)
    seen = see(wanted, SECOND, s0={FIRST.role: mark, SECOND.role: "rotation r1"})
    assert plan(decide_logins(wanted, seen)) == ((step,) if step else ())
    assert choose_bound_login(wanted, seen) == SECOND


def test_a_request_that_waits_says_for_what() -> None:
    wanted = ask("r2", shards=1)
    decision = decide(wanted, see(wanted, SECOND, s0={FIRST.role: RETIRING, SECOND.role: "rotation r1"}))
    assert isinstance(decision, Wait)
    assert decision.message == "the password that caisson_app had before has not run out yet: s0"


def test_a_shard_that_was_just_made_lets_in_whom_the_others_do_and_nobody_else() -> None:
    wanted = ask(None)
    new = see(wanted, SECOND, s0=TURNED)
    assert plan(decide_logins(wanted, new)) == (steps.LetIn("s1", SECOND),)
    let_in = see(wanted, SECOND, s0=TURNED, s1=LET_IN_BOTH)
    assert plan(decide_logins(wanted, let_in)) == (steps.RetireRole("s1", FIRST.role),)


def test_a_shard_without_our_schema_has_nothing_to_tell_yet() -> None:
    wanted = ask("r1")
    seen = see(wanted)
    shards = {name: replace(shard, schema_version=0) for name, shard in seen.shards.items()}
    assert decide_logins(wanted, replace(seen, shards=shards)) == Settled()


def test_a_request_that_cannot_be_read_is_told_and_holds_nothing_up() -> None:
    wanted = ask("two words")
    decision = decide(wanted, see(wanted))
    assert isinstance(decision, Refuse)
    assert decision.reason == "RotationUnreadable"
    assert isinstance(decide(wanted, observe(wanted, {})), type(decide(ask(None), observe(wanted, {}))))


def test_each_login_has_a_password_of_its_own_that_no_other_tells() -> None:
    logins = [FIRST, SECOND, Login(FIRST.role, "r1"), Login(FIRST.role, "r2")]
    passwords = [build_login_password(CREDENTIALS, login) for login in logins]
    assert len(set(passwords)) == len(logins)
    assert passwords[0] == CREDENTIALS.app
    assert passwords[1] == build_login_password(CREDENTIALS, SECOND)
    leaked = replace(CREDENTIALS, superuser="another")
    assert build_login_password(leaked, SECOND) != passwords[1], "the first day's password alone gives nothing away"


@pytest.mark.parametrize(
    ("noted", "login"),
    [("caisson_app_b r1", SECOND), ("caisson_app ", FIRST), ("postgres r1", FIRST), ("", FIRST)],
)
def test_whom_the_binding_names_is_noted_beside_the_credentials(noted: str, login: Login) -> None:
    assert read_login({"metadata": {"annotations": {LOGIN: noted}}}) == login
    assert read_login({"metadata": {}}) == read_login(None) == FIRST
