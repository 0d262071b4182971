"""Another password for Patroni's REST API: in which order it comes about, what the Secret holds meanwhile, and who is waited for."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from caisson_operator.api.resource import load_sharded_database
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.credentials import build_credentials, encode, read_credentials
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.member_credentials import (
    MemberPassword,
    MemberPasswords,
    adopt_member,
    prepare_member,
    read_member_passwords,
    retire_member,
)
from caisson_operator.sharded_database.member_passwords import (
    decide_member_passwords,
    explain_member_rotation,
    followed_member_rotation,
)
from caisson_operator.sharded_database.observed import Observed, Pod
from caisson_operator.sharded_database.patroni_state import MemberState, read_member_state
from caisson_operator.sharded_database.wanted import Engine, Wanted, read_wanted
from fakes.observations import build_wanted, observe, provision

MEMBERS = ("flights-s0-0", "flights-s0-1", "flights-s1-0", "flights-s1-1")
FIRST = MemberPasswords(MemberPassword("", "pw-restapi"))


def ask(rotation: str | None) -> Wanted:
    return replace(build_wanted(2, membersPerShard=2), member_rotation=rotation)


def see(
    wanted: Wanted,
    now: str = "",
    coming: str | None = None,
    previous: str | None = None,
    all_tell: tuple[str, ...] = ("",),
    **told: tuple[str, ...],
) -> Observed:
    """Every member tells `all_tell`, and these, by the ends of their names, something else."""
    pods = tuple(build_pod(name, told.get(name[-4:].replace("-", "_"), all_tell)) for name in MEMBERS)
    rotations = {
        "member_rotation": now,
        "coming_member_rotation": coming,
        "previous_member_rotation": previous,
    }
    return observe(wanted, objects=provision(wanted, pods=pods, **rotations))


def build_pod(name: str, told: tuple[str, ...]) -> Pod:
    role = "primary" if name.endswith("0") else "replica"
    return Pod(name, name.split("-")[1], role, True, told=MemberState("running", 1, restapi_rotations=told))


def plan(wanted: Wanted, observed: Observed, is_expanding: bool = False) -> tuple[object, ...]:
    decision: Decision = decide_member_passwords(wanted, observed, is_expanding)
    return decision.steps if isinstance(decision, Plan) else ()


PREPARE, ADOPT, RETIRE = (
    steps.PrepareMemberPassword("r1"),
    steps.AdoptMemberPassword("r1"),
    steps.RetireMemberPassword("r1"),
)


def test_nobody_is_rotated_who_did_not_ask() -> None:
    assert plan(ask(None), see(ask(None))) == ()
    assert explain_member_rotation(ask(None), see(ask(None))) == Settled()


def test_every_member_takes_the_new_one_before_any_sends_it() -> None:
    wanted = ask("r1")
    assert plan(wanted, see(wanted)) == (PREPARE,)
    assert plan(wanted, see(wanted, coming="r1")) == ()
    assert plan(wanted, see(wanted, coming="r1", all_tell=("", "r1"), s1_1=("",))) == ()
    assert plan(wanted, see(wanted, coming="r1", all_tell=("", "r1"))) == (ADOPT,)


def test_the_old_one_is_taken_until_nobody_sends_it() -> None:
    wanted = ask("r1")
    late = see(wanted, now="r1", previous="", all_tell=("r1", ""), s0_0=("", "r1"))
    assert plan(wanted, late) == ()
    assert followed_member_rotation(late) == "", "the old one opens the members still"
    all_send = see(wanted, now="r1", previous="", all_tell=("r1", ""))
    assert plan(wanted, all_send) == (RETIRE,)
    ended = see(wanted, now="r1", all_tell=("r1",))
    assert plan(wanted, ended) == ()
    assert explain_member_rotation(wanted, ended) == Settled()
    assert followed_member_rotation(ended) == "r1"


@pytest.mark.parametrize("annotation", [None, "r1", "r2"], ids=["taken away", "left there", "another one"])
def test_what_was_begun_is_ended_whatever_is_asked_for_by_then(annotation: str | None) -> None:
    wanted = ask(annotation)
    assert plan(wanted, see(wanted, coming="r1", all_tell=("", "r1"))) == (ADOPT,)
    assert plan(wanted, see(wanted, now="r1", previous="", all_tell=("r1", ""))) == (RETIRE,)


@pytest.mark.parametrize("lost", MEMBERS)
def test_a_member_that_has_no_pod_is_waited_for(lost: str) -> None:
    wanted = ask("r1")
    for seen in (
        see(wanted),
        see(wanted, coming="r1", all_tell=("", "r1")),
        see(wanted, now="r1", previous="", all_tell=("r1", "")),
    ):
        away = replace(seen.objects, pods=tuple(pod for pod in seen.objects.pods if pod.name != lost))
        assert plan(wanted, seen)
        assert plan(wanted, replace(seen, objects=away)) == ()
        told = explain_member_rotation(wanted, replace(seen, objects=away))
        assert isinstance(told, Wait)
        assert lost in told.message


def test_a_member_whose_image_cannot_tell_holds_up_the_beginning() -> None:
    wanted = ask("r1")
    seen = see(wanted, s0_1=())
    assert plan(wanted, seen) == ()
    decision = explain_member_rotation(wanted, seen)
    assert isinstance(decision, Wait)
    assert "flights-s0-1" in decision.message


def test_an_expansion_goes_first() -> None:
    wanted = ask("r1")
    for seen in (see(wanted), see(wanted, coming="r1", all_tell=("", "r1"))):
        assert plan(wanted, seen, is_expanding=True) == ()
        decision = explain_member_rotation(wanted, seen)
        assert isinstance(decision, Wait)
        assert "the expansion to end" in decision.message


def test_a_request_that_cannot_be_read_is_told_and_holds_nothing_up() -> None:
    decision = explain_member_rotation(ask("two words"), see(ask("two words")))
    assert plan(ask("two words"), see(ask("two words"))) == ()
    assert isinstance(decision, Refuse)
    assert "caisson.dev/rotate-member-credentials" in decision.message


def test_the_rooms_decision_comes_to_it() -> None:
    wanted = replace(build_wanted(1, membersPerShard=1), member_rotation="r1")
    pod = build_pod("flights-s0-0", ("",))
    found = decide(wanted, observe(wanted, objects=provision(wanted, pods=(pod,))))
    assert isinstance(found, Plan)
    assert found.steps == (PREPARE,)


def change(found: MemberPasswords, changes: dict[str, str | None]) -> MemberPasswords:
    """As the API server merges them into the Secret's data."""
    return read_member_passwords(merge(write(found), changes))


def write(found: MemberPasswords) -> dict[str, str]:
    texts = found.now.to_keys()
    for prefix, password in (("coming_", found.coming), ("previous_", found.previous)):
        texts |= password.to_keys(prefix) if password else {}
    return {key: value for key, value in encode(texts).items() if value is not None}


def merge(data: Mapping[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in {**data, **encode(changes)}.items() if value is not None}


def test_the_secret_goes_from_one_to_two_to_one() -> None:
    prepared = change(FIRST, prepare_member(FIRST, "r1", lambda name: f"r1-{name}"))
    new = MemberPassword("r1", "r1-restapi")
    assert prepared == MemberPasswords(FIRST.now, coming=new)
    adopted = change(prepared, adopt_member(prepared, "r1"))
    assert adopted == MemberPasswords(new, previous=FIRST.now)
    assert change(adopted, retire_member(adopted, "r1")) == MemberPasswords(new)


def test_steps_of_a_request_that_has_gone_on_change_nothing() -> None:
    prepared = change(FIRST, prepare_member(FIRST, "r1", lambda name: f"r1-{name}"))
    adopted = change(prepared, adopt_member(prepared, "r1"))
    for found in (prepared, adopted):
        assert prepare_member(found, "r2", str) == {}
        assert adopt_member(found, "r0") == {}
    assert prepare_member(change(adopted, retire_member(adopted, "r1")), "r1", str) == {}
    assert adopt_member(adopted, "r1") == {}
    assert retire_member(prepared, "r1") == {}
    assert retire_member(adopted, "r0") == {}


def test_the_secret_of_the_first_day_is_read_and_the_operator_calls_with_what_is() -> None:
    data = {key: str(value) for key, value in encode(build_credentials(lambda name: f"pw-{name}").to_keys()).items()}
    assert read_member_passwords(data) == FIRST
    prepared = merge(data, prepare_member(FIRST, "r1", lambda name: f"r1-{name}"))
    assert read_credentials(prepared).restapi == "pw-restapi"
    adopted = merge(prepared, adopt_member(read_member_passwords(prepared), "r1"))
    assert read_credentials(adopted).restapi == "r1-restapi"


def test_no_password_is_shown() -> None:
    assert "pw-" not in repr(FIRST)


@pytest.mark.parametrize(
    ("written", "told"),
    [(["r1", ""], ("r1", "")), ([], ()), (None, ()), (7, ())],
)
def test_what_a_member_tells_is_read_from_its_pod(written: object, told: tuple[str, ...]) -> None:
    status = json.dumps({"state": "running", "restapi_rotations": written})
    assert read_member_state(status).restapi_rotations == told
    assert read_member_state('{"state": "running"}').restapi_rotations == ()


def test_the_annotation_is_read() -> None:
    annotations = {"caisson.dev/rotate-member-credentials": "r1"}
    metadata = {"name": "flights", "namespace": "test", "uid": "0", "annotations": annotations}
    resource = load_sharded_database({"metadata": metadata, "spec": {"storage": {"size": "1Gi"}}})
    assert read_wanted(resource, Engine("image", "account")).member_rotation == "r1"
