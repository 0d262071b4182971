"""Racing handshakes, with servers that are none: some say nothing, some are not there."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from caisson import connecting
from caisson.connecting import Members, Race, connect_first
from caisson.refusals import NotConnected
from ports import free_port


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that hangs: its kernel accepts, and nobody ever answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server.getsockname()[1]


def soon() -> float:
    return time.monotonic() + 0.05


def test_a_server_that_says_nothing_is_left_at_the_deadline(silent: int) -> None:
    with pytest.raises(psycopg.errors.ConnectionTimeout, match="before the deadline"):
        connect_first(f"host=127.0.0.1 port={silent}", soon(), lambda: False)


def test_a_refusal_is_told_without_waiting_for_the_deadline() -> None:
    with pytest.raises(psycopg.OperationalError, match="refused"):
        connect_first(f"host=127.0.0.1 port={free_port()}", time.monotonic() + 3600, lambda: False)


def test_whoever_gives_up_is_not_held(silent: int) -> None:
    answers = iter([False, False, True])
    with pytest.raises(psycopg.OperationalError, match="closed meanwhile"):
        connect_first(f"host=127.0.0.1 port={silent}", time.monotonic() + 3600, lambda: next(answers))


def test_a_name_with_no_address_left_is_told(silent: int) -> None:
    with pytest.raises(NotConnected, match=r"no address but 127\.0\.0\.1"):
        connect_first(f"host=127.0.0.1 port={silent}", soon(), lambda: False, ["127.0.0.1"])


def test_a_name_that_cannot_be_looked_up_any_more_does_not_end_what_is_under_way(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "BUDGET_SECONDS", 0.0)
    with closing(Race(f"host=localhost port={silent}")) as race:
        race.join_if_due()
        while race._waiting:
            race.advance(0)
            race.join_if_due()

        def fail(*_: object, **__: object) -> None:
            raise socket.gaierror("no resolver")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        race.join_if_due()
        assert "no resolver" in race.said
        assert len(race._running) >= 1


def test_handshakes_follow_each_other_and_the_oldest_gives_way(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with closing(Race(f"host=127.0.0.1 port={silent}")) as race:
        budgets = []
        for _ in range(2 * connecting.MOST_TO_ONE):
            race.join_if_due()
            budgets.append(race._next_at - now)
            now = race._next_at
        assert budgets[0] == pytest.approx(connecting.BUDGET_SECONDS)
        assert budgets[-1] == pytest.approx(connecting.LATER_BUDGET_SECONDS)
        assert len(race._running) == connecting.MOST_TO_ONE


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses to which handshakes were begun."""
    begun: list[str] = []
    begin = Race._begin_handshake

    def note(race: Race, conninfo: str) -> None:
        begun.append(str(conninfo_to_dict(conninfo)["hostaddr"]))
        begin(race, conninfo)

    monkeypatch.setattr(Race, "_begin_handshake", note)
    return begun


def test_a_member_that_refuses_is_asked_again_without_another_handshake_for_who_is_silent(
    begun: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next primary is a standby that refuses, and becomes one at any moment."""
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        conninfo = f"host=127.0.0.1 port={server.getsockname()[1]}"
        with closing(Race(conninfo, members=Members("127.0.0.2"))) as race:
            for _ in range(connecting.ROUNDS_OF_HOST):
                race.join_if_due()
                now = race._next_at
            del begun[:]
            until = now + connecting.LATER_BUDGET_SECONDS
            while now < until:
                race.join_if_due()
                race.advance(0.01)
                now = race._next_at
    assert begun.count("127.0.0.1") == 1
    assert begun.count("127.0.0.2") > 2


def test_members_are_asked_at_once_where_the_host_was_of_no_use(silent: int, begun: list[str]) -> None:
    with closing(Race(f"host=127.0.0.1 port={silent}", members=Members("127.0.0.2", lambda: True))) as race:
        race.join_if_due()
    assert begun == ["127.0.0.1", "127.0.0.2"]


def test_members_are_asked_as_soon_as_another_connection_was_had_from_them(silent: int, begun: list[str]) -> None:
    is_member_known = False
    with closing(Race(f"host=127.0.0.1 port={silent}", members=Members("127.0.0.2", lambda: is_member_known))) as race:
        race.join_if_due()
        is_member_known = True
        race.join_if_due()
    assert begun == ["127.0.0.1", "127.0.0.2"], "the host is not asked again: it may still answer"
