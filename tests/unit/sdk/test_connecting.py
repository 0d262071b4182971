"""Racing handshakes, with servers that are none: some say nothing, some are not there."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from caisson import connecting
from caisson.connecting import NotConnected, Race, connect_first


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that hangs: its kernel accepts, and nobody ever answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server.getsockname()[1]


def nobody() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def soon() -> float:
    return time.monotonic() + 0.05


def test_a_server_that_says_nothing_is_left_at_the_deadline(silent: int) -> None:
    with pytest.raises(psycopg.errors.ConnectionTimeout, match="before the deadline"):
        connect_first(f"host=127.0.0.1 port={silent}", soon(), lambda: False)


def test_a_refusal_is_told_without_waiting_for_the_deadline() -> None:
    with pytest.raises(psycopg.OperationalError, match="refused"):
        connect_first(f"host=127.0.0.1 port={nobody()}", time.monotonic() + 3600, lambda: False)


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
    monkeypatch.setattr(connecting, "FIRST_BUDGET_SECONDS", 0.0)
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


def test_the_budgets_grow_to_a_cap_and_the_oldest_handshake_gives_way(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with closing(Race(f"host=127.0.0.1 port={silent}")) as race:
        budgets = []
        for _ in range(2 * connecting.MOST_RUNNING):
            race.join_if_due()
            budgets.append(race._next_at - now)
            now = race._next_at
        assert budgets[:3] == pytest.approx([0.4, 0.8, 1.0])
        assert budgets[-1] == pytest.approx(connecting.LONGEST_BUDGET_SECONDS)
        assert len(race._running) == connecting.MOST_RUNNING
