"""The effects that write to Patroni, against a real HTTPS server that answers as Patroni's REST API does."""

import socket
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from caisson_operator.core.decisions import HeldUp
from caisson_operator.effects.patroni import (
    RESTAPI_USER,
    Member,
    PatroniError,
    SwitchoverRefused,
    SwitchoverUnfinished,
    build_member,
    patch_settings,
    request_restart,
    request_switchover,
)
from fakes.certificates import new_authority
from fakes.patroni_server import PASSWORD, FakePatroni, serving

pytestmark = pytest.mark.asyncio
AUTHORITY = new_authority().certificate


async def test_lays_the_settings_upon_those_that_are_there() -> None:
    patroni = FakePatroni()
    async with serving(patroni) as member:
        for _ in range(2):  # safe to repeat
            await patch_settings(member, {"synchronous_mode": True, "postgresql": {"use_pg_rewind": True}})
    engine = {"use_slots": True, "use_pg_rewind": True}
    assert patroni.config == {"ttl": 20, "synchronous_mode": True, "postgresql": engine}


async def test_a_wrong_password_is_told_without_showing_it_and_changes_nothing() -> None:
    patroni = FakePatroni()
    async with serving(patroni, password="wrong-secret") as member:
        with pytest.raises(PatroniError, match=r"flights-s0-0 .*401.*restart the pod") as raised:
            await patch_settings(member, {"synchronous_mode": True})
    assert "wrong-secret" not in "".join(traceback.format_exception(raised.value))
    assert "synchronous_mode" not in patroni.config


async def test_says_what_the_member_said_when_it_refuses() -> None:
    async with serving(FakePatroni(fails_with=(400, "synchronous_mode: not a boolean"))) as member:
        with pytest.raises(PatroniError, match=r"flights-s0-0 .*400 synchronous_mode: not a boolean"):
            await patch_settings(member, {"synchronous_mode": "maybe"})


@pytest.mark.parametrize("answer", [(503, "no store"), (409, "overtaken")])
async def test_a_member_without_its_store_holds_it_up(answer: tuple[int, str]) -> None:
    async with serving(FakePatroni(fails_with=answer)) as member:
        with pytest.raises(HeldUp, match=f"{answer[0]} {answer[1]}") as raised:
            await patch_settings(member, {"synchronous_mode": True})
    assert raised.value.reason == "PatroniUnreachable"


async def test_a_silent_member_holds_it_up() -> None:
    async with serving(FakePatroni(delay_seconds=0.5)) as member:
        with pytest.raises(HeldUp, match="flights-s0-0") as raised:
            await patch_settings(member, {"synchronous_mode": True}, timeout=0.1)
    assert raised.value.seconds > 0


async def test_an_absent_member_holds_it_up() -> None:
    with socket.socket() as bound:  # and listens not
        bound.bind(("127.0.0.1", 0))
        member = Member("flights-s0-0", f"https://localhost:{bound.getsockname()[1]}", PASSWORD, AUTHORITY)
        with pytest.raises(HeldUp, match="flights-s0-0") as raised:
            await patch_settings(member, {"synchronous_mode": True})
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "is_other"), [("flights-s1-0", False), ("localhost", True)], ids=["name", "authority"]
)
async def test_who_is_not_the_member_hears_no_password(name: str, is_other: bool) -> None:
    patroni = FakePatroni()
    async with serving(patroni, name=name) as member:
        asked = replace(member, authority=AUTHORITY) if is_other else member
        with pytest.raises(HeldUp, match="certificate"):
            await patch_settings(asked, {"synchronous_mode": True})
        with pytest.raises(HeldUp, match="certificate"):
            await request_switchover(asked, "flights-s0-1")
    assert patroni.asked == 0


async def test_finds_a_member_by_its_name_under_the_headless_service() -> None:
    member = build_member("flights-s0-1", "flights-s0-pods", "demo", 8008, PASSWORD, AUTHORITY)
    assert member.url == "https://flights-s0-1.flights-s0-pods.demo.svc:8008"


async def test_the_user_is_the_one_that_the_image_sets() -> None:
    text = (Path(__file__).parents[3] / "workloads/postgres/member.py").read_text()
    assert f'"username": "{RESTAPI_USER}", "password": passwords["restapi"]' in text


async def test_moves_the_lead_once_however_often_it_is_asked() -> None:
    patroni = FakePatroni()
    async with serving(patroni) as leader:
        await request_switchover(leader, "flights-s0-1")
        with pytest.raises(SwitchoverRefused, match="flights-s0-0 refused: leader name does not match"):
            await request_switchover(leader, "flights-s0-1")
    assert (patroni.leader, patroni.standby) == ("flights-s0-1", "flights-s0-0")


async def test_a_candidate_that_may_not_lead_is_refused_in_patronis_words() -> None:
    patroni = FakePatroni()
    async with serving(patroni) as leader:
        with pytest.raises(SwitchoverRefused, match="candidate name does not match with sync_standby"):
            await request_switchover(leader, "flights-s0-2")
    assert patroni.leader == "flights-s0-0"


@pytest.mark.parametrize(
    "patroni",
    [
        FakePatroni(fails_with=(503, "Switchover failed")),
        FakePatroni(fails_with=(503, "Switchover status unknown")),
        FakePatroni(fails_with=(500, "")),
        FakePatroni(hangs_up=True),
        FakePatroni(delay_seconds=0.5),
    ],
    ids=["failed", "unknown", "error", "hung up", "silent"],
)
async def test_an_answer_that_leaves_the_outcome_open_is_told_as_such(patroni: FakePatroni) -> None:
    """Whether the lead has moved is told by the shard, not by the answer."""
    async with serving(patroni) as leader:
        with pytest.raises(SwitchoverUnfinished, match="flights-s0-0"):
            await request_switchover(leader, "flights-s0-1", timeout=0.2)


async def test_a_leader_that_was_never_reached_was_never_asked() -> None:
    with socket.socket() as bound:  # and listens not
        bound.bind(("127.0.0.1", 0))
        leader = Member("flights-s0-0", f"https://localhost:{bound.getsockname()[1]}", PASSWORD, AUTHORITY)
        with pytest.raises(HeldUp, match="the switchover did not reach Patroni of flights-s0-0") as raised:
            await request_switchover(leader, "flights-s0-1")
    assert raised.value.reason == "PatroniUnreachable"


async def test_a_wrong_password_moves_no_lead() -> None:
    patroni = FakePatroni()
    async with serving(patroni, password="wrong-secret") as leader:
        with pytest.raises(PatroniError, match=r"does not take the switchover: 401.*restart the pod"):
            await request_switchover(leader, "flights-s0-1")
    assert patroni.leader == "flights-s0-0"


async def test_a_member_is_restarted_if_a_setting_waits_for_it_and_it_is_what_it_is_taken_for() -> None:
    patroni = FakePatroni(waits_for_restart=True)
    async with serving(patroni) as member:
        with pytest.raises(HeldUp, match="restart conditions are not satisfied"):
            await request_restart(member, "primary")
        assert patroni.restarts == 0
        await request_restart(member, "replica")
        with pytest.raises(HeldUp, match="restart conditions are not satisfied"):
            await request_restart(member, "replica")  # safe to repeat
    assert patroni.restarts == 1


async def test_a_restart_that_gets_no_answer_is_looked_at_again() -> None:
    async with serving(FakePatroni(hangs_up=True)) as member:
        with pytest.raises(HeldUp) as raised:
            await request_restart(member, "replica")
    assert raised.value.reason == "PatroniUnreachable"
