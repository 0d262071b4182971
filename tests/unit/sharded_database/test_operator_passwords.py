"""Other passwords for the operator's own roles: in which order they come about, and what the Secret holds meanwhile."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait
from caisson_operator.core.layout import OWNER_ROLE, RETIRED, RETIRING, Login
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.access import Access
from caisson_operator.sharded_database.credentials import (
    Credentials,
    OperatorPasswords,
    adopt_operators,
    build_credentials,
    build_login_password,
    encode,
    prepare_operators,
    read_credentials,
)
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.observed import Observed, Shard
from caisson_operator.sharded_database.operator_passwords import (
    decide_operator_passwords,
    explain_operator_rotation,
)
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import build_wanted, observe, provision, settle

FIRST, SECOND = Login(), Login("caisson_app_b", "a1")
CREDENTIALS = build_credentials(lambda name: f"pw-{name}")


def ask(rotation: str | None, shards: int = 2) -> Wanted:
    return replace(build_wanted(shards), operator_rotation=rotation)


def see(wanted: Wanted, now: str = "", coming: str = "", bound: Login = FIRST, **shards: dict[str, Any]) -> Observed:
    """All is well; the Secret holds the passwords of these requests, and these shards are changed so."""
    found: dict[str, Shard] = settle(wanted)
    found |= {name: replace(found[name], **changes) for name, changes in shards.items()}
    objects = provision(wanted, operator_rotation=now, coming_rotation=coming, login=bound)
    return observe(wanted, found, objects)


def at(rotation: str) -> dict[str, Any]:
    return {"operator_rotation": rotation}


def plan(wanted: Wanted, observed: Observed, is_expanding: bool = False) -> tuple[object, ...]:
    decision: Decision = decide_operator_passwords(wanted, observed, is_expanding)
    return decision.steps if isinstance(decision, Plan) else ()


def test_nobody_is_rotated_who_did_not_ask() -> None:
    assert decide(ask(None), see(ask(None))) == Settled()


def test_the_secret_holds_the_new_passwords_before_any_shard_has_them() -> None:
    wanted = ask("r1")
    assert plan(wanted, see(wanted)) == (steps.PrepareOperatorPasswords("r1"),)
    assert plan(wanted, see(wanted, coming="r1")) == (
        steps.ChangeOperatorPasswords("s0", "r1"),
        steps.ChangeOperatorPasswords("s1", "r1"),
    )


def test_the_new_ones_hold_once_every_shard_was_seen_to_have_them() -> None:
    wanted = ask("r1")
    half = see(wanted, coming="r1", s0=at("r1"))
    assert plan(wanted, half) == (steps.ChangeOperatorPasswords("s1", "r1"),)
    full = see(wanted, coming="r1", s0=at("r1"), s1=at("r1"))
    assert plan(wanted, full) == (steps.AdoptOperatorPasswords("r1", FIRST),)
    away = replace(full, shards={"s0": full.shards["s0"]})
    assert plan(wanted, away) == (), "s1 may have the old one"
    assert decide(wanted, see(wanted, now="r1", s0=at("r1"), s1=at("r1"))) == Settled()


@pytest.mark.parametrize("annotation", [None, "r1", "r2"], ids=["taken away", "left there", "another one"])
def test_what_was_begun_is_ended_whatever_is_asked_for_by_then(annotation: str | None) -> None:
    wanted = ask(annotation)
    assert plan(wanted, see(wanted, coming="r1", s0=at("r1"))) == (steps.ChangeOperatorPasswords("s1", "r1"),)


def test_a_shard_that_was_made_meanwhile_gets_what_the_others_have() -> None:
    wanted = ask(None)
    assert plan(wanted, see(wanted, now="r1", s0=at("r1"))) == (steps.ChangeOperatorPasswords("s1", "r1"),)
    bare = see(wanted, now="r1", s0=at("r1"), s1={"schema_version": 0})
    assert plan(wanted, bare) == (), "without our schema no older leader is kept out of it"
    coming = see(wanted, coming="r1", s0=at("r1"), s1={"schema_version": 0})
    assert plan(wanted, coming) == (), "and it holds the end up until it has them"


def test_a_request_waits_for_every_shard() -> None:
    wanted = ask("r2")
    seen = see(wanted, now="r1", s0=at("r1"), s1=at("r1"))
    assert plan(wanted, seen) == (steps.PrepareOperatorPasswords("r2"),)
    assert plan(wanted, replace(seen, shards={"s0": seen.shards["s0"]})) == ()


def test_an_expansion_goes_first() -> None:
    wanted = ask("r1")
    assert plan(wanted, see(wanted), is_expanding=True) == ()
    full = see(wanted, coming="r1", s0=at("r1"), s1=at("r1"))
    assert plan(wanted, full, is_expanding=True) == ()


@pytest.mark.parametrize(
    ("marks", "is_settled"),
    [
        ({FIRST.role: "", SECOND.role: RETIRED}, True),
        ({FIRST.role: "", SECOND.role: RETIRING}, True),
        ({FIRST.role: "", SECOND.role: SECOND.mark}, False),
        ({FIRST.role: RETIRING, SECOND.role: SECOND.mark}, False),
    ],
    ids=["the other has run out", "the other runs out", "the other was let in", "a shard is ahead of the binding"],
)
def test_passwords_that_follow_from_the_superusers_are_not_pulled_from_under_their_rotation(
    marks: dict[str, str], is_settled: bool
) -> None:
    wanted = ask("r1")
    assert bool(plan(wanted, see(wanted, s1={"logins": marks}))) is is_settled
    ready = see(wanted, coming="r1", s0=at("r1"), s1={"logins": marks, **at("r1")})
    assert bool(plan(wanted, ready)) is is_settled


def test_a_request_that_cannot_be_read_is_told_and_holds_nothing_up() -> None:
    decision = decide(ask("two words"), see(ask("two words")))
    assert isinstance(decision, Refuse)
    assert "caisson.dev/rotate-operator-credentials" in decision.message


@pytest.mark.parametrize(
    ("lacking", "shards", "told"),
    [
        ("s1", {}, "every shard to be up: s1"),
        (
            "",
            {"s1": {"logins": {FIRST.role: "", SECOND.role: SECOND.mark}}},
            "the rotation of the applications' password",
        ),
        ("", {"s1": {"schema_version": 0}}, "every shard to have the new passwords"),
    ],
)
def test_a_request_that_waits_says_for_what(lacking: str, shards: dict[str, Any], told: str) -> None:
    wanted = ask("r1")
    seen = see(wanted, coming="r1", **shards)
    seen = replace(seen, shards={name: shard for name, shard in seen.shards.items() if name != lacking})
    decision = explain_operator_rotation(wanted, seen)
    assert isinstance(decision, Wait)
    assert told in decision.message


def change(credentials: Credentials, changes: dict[str, str | None]) -> Credentials:
    """As the API server merges them into the Secret's data, on top of those that were there."""
    return read_credentials(merge(write(credentials), changes))


def write(credentials: Credentials) -> dict[str, str]:
    """As the Secret of these credentials reads after the steps that led to them."""
    texts: dict[str, str | None] = {**credentials.to_keys(), "rotation": credentials.rotation}
    for prefix, passwords in (("coming_", credentials.coming), ("previous_", credentials.previous)):
        texts |= passwords.to_keys(prefix) if passwords else {}
    if credentials.pinned:
        login = credentials.pinned.login
        texts |= {"login": f"{login.role} {login.rotation}", "login_password": credentials.pinned.password}
    return {key: value for key, value in encode(texts).items() if value is not None}


def merge(data: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    merged = {**data, **encode(changes)}
    return {key: value for key, value in merged.items() if value is not None}


def rotate(credentials: Credentials, rotation: str, login: Login = FIRST) -> Credentials:
    prepared = change(credentials, prepare_operators(credentials, rotation, lambda name: f"{rotation}-{name}"))
    return change(prepared, adopt_operators(prepared, rotation, login))


def test_a_secret_of_the_first_day_reads_as_it_did() -> None:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in CREDENTIALS.to_keys().items()}
    assert read_credentials(data) == CREDENTIALS
    assert CREDENTIALS.operators == (OperatorPasswords("", "pw-superuser", "pw-owner"),)


def test_whatever_a_shard_may_take_is_in_the_secret_at_every_step() -> None:
    old, new = OperatorPasswords("", "pw-superuser", "pw-owner"), OperatorPasswords("r1", "r1-superuser", "r1-owner")
    prepared = change(CREDENTIALS, prepare_operators(CREDENTIALS, "r1", lambda name: f"r1-{name}"))
    assert prepared.operators == (old, new)
    adopted = change(prepared, adopt_operators(prepared, "r1", FIRST))
    assert adopted.operators == (new, old)
    assert (adopted.superuser, adopted.owner, adopted.restapi) == ("r1-superuser", "r1-owner", "pw-restapi")
    again = change(adopted, prepare_operators(adopted, "r2", lambda name: f"r2-{name}"))
    assert [each.rotation for each in again.operators] == ["r1", "r2"]


def test_a_step_that_is_repeated_changes_nothing() -> None:
    prepared = change(CREDENTIALS, prepare_operators(CREDENTIALS, "r1", lambda name: f"r1-{name}"))
    assert prepare_operators(prepared, "r1", lambda _: "other") == {}
    adopted = change(prepared, adopt_operators(prepared, "r1", FIRST))
    assert prepare_operators(adopted, "r1", lambda _: "other") == {}
    assert adopt_operators(adopted, "r1", FIRST) == adopt_operators(adopted, "r2", FIRST) == {}


def test_whom_the_binding_names_keeps_his_password_and_later_ones_follow_from_the_new_superusers() -> None:
    before, third = build_login_password(CREDENTIALS, SECOND), Login(FIRST.role, "a2")
    rotated = rotate(CREDENTIALS, "r1", SECOND)
    assert build_login_password(rotated, SECOND) == before
    assert build_login_password(rotated, third) != build_login_password(CREDENTIALS, third), (
        "an old superuser tells none"
    )
    assert build_login_password(rotate(rotated, "r2", SECOND), SECOND) == before
    assert build_login_password(rotate(CREDENTIALS, "r1"), FIRST) == CREDENTIALS.app


def test_the_first_days_request_has_the_first_days_passwords_and_a_later_one_its_own() -> None:
    rotated = rotate(CREDENTIALS, "r1")
    assert rotated.of_rotation("r1").owner == "r1-owner"
    with pytest.raises(LookupError, match="r7"):
        rotated.of_rotation("r7")


def test_sessions_try_what_holds_then_what_is_coming_then_what_held_before() -> None:
    access = Access(build_wanted(1).database, rotate(CREDENTIALS, "r1"), "PEM")
    sessions = access.build_actor(1, lambda seconds: None).sessions
    ways = [(sessions.conninfo, sessions.owner_conninfo), *sessions.others]
    found = [tuple(conninfo_to_dict(way("s0"))["password"] for way in pair) for pair in ways]
    assert found == [("r1-superuser", "r1-owner"), ("pw-superuser", "pw-owner")]
    prepared = change(CREDENTIALS, prepare_operators(CREDENTIALS, "r2", lambda name: f"r2-{name}"))
    actor = replace(access, credentials=prepared).build_actor(1, lambda seconds: None)
    assert (
        conninfo_to_dict(actor.sessions.others[0][1]("s0")).items()
        >= {"password": "r2-owner", "user": OWNER_ROLE}.items()
    )
    assert actor.find_operator_passwords("r2").superuser == "r2-superuser"


def test_no_password_is_shown() -> None:
    rotated = rotate(CREDENTIALS, "r1", SECOND)
    assert not [word for word in ("pw-", "r1-", build_login_password(CREDENTIALS, SECOND)) if word in repr(rotated)]
