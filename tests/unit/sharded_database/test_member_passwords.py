"""Other passwords for the members: in which order they come about, what the Secret and the shards hold meanwhile, and who is waited for."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from caisson_operator.api.resource import load_sharded_database
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait
from caisson_operator.core.layout import FIRST_MEMBER_ROLES, RETIRED, mark_rotation
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.access import Access
from caisson_operator.sharded_database.credentials import build_credentials, encode, read_credentials
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.member_credentials import (
    MemberPassword,
    MemberPasswords,
    MemberRoles,
    RoleLogin,
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
from caisson_operator.sharded_database.observed import Observed, Pod, Shard, Standby
from caisson_operator.sharded_database.patroni_state import MemberState, read_member_state
from caisson_operator.sharded_database.wanted import Engine, Wanted, read_wanted
from fakes.observations import build_wanted, observe, provision, settle

MEMBERS = ("flights-s0-0", "flights-s0-1", "flights-s1-0", "flights-s1-1")
FIRST_ROLES, SECOND_ROLES = FIRST_MEMBER_ROLES, ("caisson_replication_b", "caisson_rewind_b")
FIRST = MemberPasswords(
    MemberPassword(
        "",
        "pw-restapi",
        MemberRoles(RoleLogin(FIRST_ROLES[0], "pw-replication"), RoleLogin(FIRST_ROLES[1], "pw-rewind")),
    )
)
SECOND = MemberPassword(
    "r1",
    "r1-restapi",
    MemberRoles(RoleLogin(SECOND_ROLES[0], "r1-replication"), RoleLogin(SECOND_ROLES[1], "r1-rewind")),
)


def ask(rotation: str | None) -> Wanted:
    return replace(build_wanted(2, membersPerShard=2), member_rotation=rotation)


def see(
    wanted: Wanted,
    now: str = "",
    coming: str | None = None,
    previous: str | None = None,
    all_tell: tuple[str, ...] = ("",),
    shards: Mapping[str, Shard] | None = None,
    **told: tuple[str, ...],
) -> Observed:
    """Every member tells `all_tell`, and these, by the ends of their names, something else. Every shard lets in all that is held."""
    pods = tuple(build_pod(name, told.get(name[-4:].replace("-", "_"), all_tell)) for name in MEMBERS)
    rotations: dict[str, Any] = {
        "member_rotation": now,
        "coming_member_rotation": coming,
        "previous_member_rotation": previous,
        "member_roles": SECOND_ROLES if now else FIRST_ROLES,
        "coming_member_roles": () if coming is None else SECOND_ROLES,
    }
    held = {coming, previous, now} - {None}
    found = let_in(wanted, {each for each in held if each is not None}, now) if shards is None else shards
    return observe(wanted, found, provision(wanted, pods=pods, **rotations))


def let_in(wanted: Wanted, rotations: set[str], now: str = "", **changes: Any) -> dict[str, Shard]:
    """Shards that let in the roles of these, of whom the standbys stream as the one that is. `changes` are of s1."""
    marks = dict.fromkeys(FIRST_ROLES, "" if "" in rotations else RETIRED)
    marks |= {role: mark_rotation(each) for each in rotations - {""} for role in SECOND_ROLES}
    standby = Standby(True, 0, SECOND_ROLES[0] if now else FIRST_ROLES[0])
    found = {
        name: replace(shard, member_roles=marks, standbys={f"flights-{name}-1": standby})
        for name, shard in settle(wanted).items()
    }
    return found | {"s1": replace(found["s1"], **changes)}


def build_pod(name: str, told: tuple[str, ...], roles: tuple[str, ...] | None = None) -> Pod:
    role = "primary" if name.endswith("0") else "replica"
    state = MemberState("running", 1, restapi_rotations=told, role_rotations=told if roles is None else roles)
    return Pod(name, name.split("-")[1], role, True, told=state)


def plan(wanted: Wanted, observed: Observed, is_expanding: bool = False) -> tuple[object, ...]:
    decision: Decision = decide_member_passwords(wanted, observed, is_expanding)
    return decision.steps if isinstance(decision, Plan) else ()


PREPARE, ADOPT, RETIRE = (
    steps.PrepareMemberPassword("r1"),
    steps.AdoptMemberPassword("r1"),
    steps.RetireMemberPassword("r1"),
)
LET_IN = tuple(steps.LetMembersIn(shard, "r1") for shard in ("s0", "s1"))
RETIRE_ROLES = tuple(steps.RetireMemberRoles(shard, FIRST_ROLES) for shard in ("s0", "s1"))


def test_nobody_is_rotated_who_did_not_ask() -> None:
    assert plan(ask(None), see(ask(None))) == ()
    assert explain_member_rotation(ask(None), see(ask(None))) == Settled()


def test_every_member_takes_the_new_one_before_any_sends_it() -> None:
    wanted = ask("r1")
    assert plan(wanted, see(wanted)) == (PREPARE,)
    assert plan(wanted, see(wanted, coming="r1")) == ()
    assert plan(wanted, see(wanted, coming="r1", all_tell=("", "r1"), s1_1=("",))) == ()
    assert plan(wanted, see(wanted, coming="r1", all_tell=("", "r1"))) == (ADOPT,)


def test_every_shard_lets_the_new_roles_in_before_anybody_comes_as_them() -> None:
    wanted, told = ask("r1"), ("", "r1")
    assert plan(wanted, see(wanted, coming="r1", shards=let_in(wanted, {""}))) == LET_IN
    half = {**let_in(wanted, {"", "r1"}), "s1": let_in(wanted, {""})["s1"]}
    assert plan(wanted, see(wanted, coming="r1", all_tell=told, shards=half)) == LET_IN[1:]
    away = {"s0": half["s0"]}
    seen = see(wanted, coming="r1", all_tell=told, shards=away)
    assert plan(wanted, seen) == (), "s1 may not have them"
    decision = explain_member_rotation(wanted, seen)
    assert isinstance(decision, Wait)
    assert "every shard to be up, and to let the members in: s1" in decision.message


def test_a_shard_that_came_back_without_the_role_that_is_lets_it_in_at_once() -> None:
    """Made by a pod that had an older mount, or failed over to a standby that lacked it: also in the middle of an expansion."""
    wanted = ask(None)
    seen = see(wanted, now="r1", all_tell=("r1",), shards=let_in(wanted, {""}))
    assert plan(wanted, seen) == LET_IN
    assert plan(wanted, seen, is_expanding=True) == LET_IN


def test_a_member_whose_image_knows_one_role_alone_holds_up_every_step() -> None:
    wanted = ask("r1")
    for seen in (
        see(wanted),
        see(wanted, coming="r1", all_tell=("", "r1")),
        see(wanted, now="r1", previous="", all_tell=("r1", "")),
    ):
        old = [replace(pod, told=replace(pod.told, role_rotations=())) for pod in seen.objects.pods[:1]]
        objects = replace(seen.objects, pods=(*old, *seen.objects.pods[1:]))
        assert plan(wanted, seen)
        assert plan(wanted, replace(seen, objects=objects)) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"standbys": {"flights-s1-1": Standby(True, 0, FIRST_ROLES[0])}},
        {"standbys": {}},
        {"standbys": {"pg_receivewal": Standby(False, 0, SECOND_ROLES[0])}},
        {"member_sessions": frozenset({FIRST_ROLES[1], *SECOND_ROLES})},
    ],
    ids=["streams as the old one", "does not stream", "somebody else streams", "rewinds as the old one"],
)  # fmt: skip
def test_the_old_roles_are_let_in_until_nobody_comes_as_them(changes: dict[str, Any]) -> None:
    wanted = ask("r1")
    late = let_in(wanted, {"", "r1"}, "r1", **changes)
    seen = see(wanted, now="r1", previous="", all_tell=("r1", ""), shards=late)
    assert plan(wanted, seen) == ()
    decision = explain_member_rotation(wanted, seen)
    assert isinstance(decision, Wait)
    assert "every standby to stream as caisson_replication_b, and who is in as another to leave: s1" in decision.message


def test_who_is_no_member_and_streams_as_the_new_role_or_his_own_holds_nothing_up() -> None:
    wanted = ask("r1")
    others = {"pg_receivewal": Standby(False, 0, "auditor"), "pg_basebackup": Standby(False, 0, SECOND_ROLES[0])}
    standbys = {"flights-s1-1": Standby(True, 0, SECOND_ROLES[0]), **others}
    found = let_in(wanted, {"", "r1"}, "r1", standbys=standbys)
    assert plan(wanted, see(wanted, now="r1", previous="", all_tell=("r1", ""), shards=found)) == RETIRE_ROLES


def test_the_next_rotation_takes_the_first_roles_again() -> None:
    wanted = ask("r2")
    seen = see(wanted, now="r1", coming="r2", all_tell=("r1", "r2"), shards=let_in(wanted, {"r1"}, "r1"))
    seen = replace(seen, objects=replace(seen.objects, coming_member_roles=FIRST_ROLES))
    assert plan(wanted, seen) == tuple(steps.LetMembersIn(shard, "r2") for shard in ("s0", "s1"))


def test_a_rotation_that_an_older_release_began_leaves_the_roles_as_they_are() -> None:
    """It prepared a password of the REST API alone."""
    wanted = ask("r1")
    found = see(wanted, coming="r1", all_tell=("", "r1"), shards=let_in(wanted, {""}))
    pods = tuple(build_pod(name, ("", "r1"), roles=("",)) for name in MEMBERS)
    objects = replace(found.objects, coming_member_roles=(), pods=pods)
    assert plan(wanted, replace(found, objects=objects)) == (ADOPT,)
    legacy = MemberPasswords(FIRST.now, coming=MemberPassword("r1", "r1-restapi"))
    adopted = change(legacy, adopt_member(legacy, "r1"))
    assert adopted.now == MemberPassword("r1", "r1-restapi", FIRST.now.roles)
    assert adopted.previous == MemberPassword("", "pw-restapi")


def test_the_old_one_is_taken_until_nobody_sends_it() -> None:
    wanted = ask("r1")
    late = see(wanted, now="r1", previous="", all_tell=("r1", ""), s0_0=("", "r1"))
    assert plan(wanted, late) == ()
    assert followed_member_rotation(late) == "", "the old one opens the members still"
    all_send = see(wanted, now="r1", previous="", all_tell=("r1", ""))
    assert plan(wanted, all_send) == RETIRE_ROLES
    retired = let_in(wanted, {"r1"}, "r1")
    assert plan(wanted, replace(all_send, shards=retired)) == (RETIRE,)
    assert plan(wanted, replace(all_send, shards={"s0": retired["s0"]})) == (), "s1 may let them in still"
    ended = see(wanted, now="r1", all_tell=("r1",))
    assert plan(wanted, ended) == ()
    assert explain_member_rotation(wanted, ended) == Settled()
    assert followed_member_rotation(ended) == "r1"


@pytest.mark.parametrize("annotation", [None, "r1", "r2"], ids=["taken away", "left there", "another one"])
def test_what_was_begun_is_ended_whatever_is_asked_for_by_then(annotation: str | None) -> None:
    wanted = ask(annotation)
    assert plan(wanted, see(wanted, coming="r1", all_tell=("", "r1"))) == (ADOPT,)
    assert plan(wanted, see(wanted, now="r1", previous="", all_tell=("r1", ""))) == RETIRE_ROLES
    retired = let_in(wanted, {"r1"}, "r1")
    assert plan(wanted, see(wanted, now="r1", previous="", all_tell=("r1", ""), shards=retired)) == (RETIRE,)


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
    assert prepared == MemberPasswords(FIRST.now, coming=SECOND)
    adopted = change(prepared, adopt_member(prepared, "r1"))
    assert adopted == MemberPasswords(SECOND, previous=FIRST.now)
    assert change(adopted, retire_member(adopted, "r1")) == MemberPasswords(SECOND)
    again = change(MemberPasswords(SECOND), prepare_member(MemberPasswords(SECOND), "r2", lambda name: f"r2-{name}"))
    assert again.coming is not None
    assert again.coming.roles is not None
    assert again.coming.roles.names == FIRST_ROLES, "they take turns"


def test_the_password_file_has_the_role_that_is_before_it_is() -> None:
    """A subscription that is made right after the roles have changed finds it in each pod, and one of before it still."""
    first, second = (f"*:*:*:{role}:{of}-replication\n" for role, of in zip((FIRST_ROLES[0], SECOND_ROLES[0]), ("pw", "r1"), strict=True))  # fmt: skip
    prepare = prepare_member(FIRST, "r1", lambda name: f"r1-{name}")
    prepared = change(FIRST, prepare)
    adopted = change(prepared, adopt_member(prepared, "r1"))
    assert prepare["passfile"] == first + second
    assert adopt_member(prepared, "r1")["passfile"] == second + first
    assert retire_member(adopted, "r1")["passfile"] == second


def test_shards_are_given_the_roles_of_the_request_alone() -> None:
    prepared = change(FIRST, prepare_member(FIRST, "r1", lambda name: f"r1-{name}"))
    assert prepared.find_roles("r1") == SECOND.roles
    assert prepared.find_roles("") == FIRST.now.roles
    with pytest.raises(LookupError, match="r7"):
        prepared.find_roles("r7")


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


def test_subscriptions_and_the_operator_come_as_the_role_that_is() -> None:
    data = merge(write(MemberPasswords(SECOND)), {name: f"pw-{name}" for name in ("superuser", "owner", "app")})
    access = Access(build_wanted(1).database, read_credentials(data), "PEM", read_member_passwords(data))
    actor = access.build_actor(1, lambda seconds: None)
    assert conninfo_to_dict(actor.subscription_conninfo("s0"))["user"] == SECOND_ROLES[0]
    assert actor.find_member_roles("r1") == SECOND.roles


def test_no_password_is_shown() -> None:
    assert not [word for word in ("pw-", "r1-") if word in repr(MemberPasswords(SECOND, previous=FIRST.now))]


@pytest.mark.parametrize(
    ("written", "told"),
    [(["r1", ""], ("r1", "")), ([], ()), (None, ()), (7, ())],
)
def test_what_a_member_tells_is_read_from_its_pod(written: object, told: tuple[str, ...]) -> None:
    for key in ("restapi_rotations", "role_rotations"):
        status = json.dumps({"state": "running", key: written})
        assert getattr(read_member_state(status), key) == told
        assert getattr(read_member_state('{"state": "running"}'), key) == ()


def test_the_annotation_is_read() -> None:
    annotations = {"caisson.dev/rotate-member-credentials": "r1"}
    metadata = {"name": "flights", "namespace": "test", "uid": "0", "annotations": annotations}
    resource = load_sharded_database({"metadata": metadata, "spec": {"storage": {"size": "1Gi"}}})
    assert read_wanted(resource, Engine("image")).member_rotation == "r1"
