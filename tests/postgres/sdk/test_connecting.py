"""Connections while servers hang: nobody waits for one server alone, and nobody who hangs keeps a client from closing."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

import caisson.connecting
from caisson import NoPrimary, ShardedDatabase
from caisson.connecting import Members, Race, connect_first
from caisson.connections import ShardConnection
from caisson.map_source import Listener
from caisson.refusals import NotConnected

from .pair import CLIENTS, PRIMARY_HOST, READ, STANDBY_HOST, Pair, background, running_pair, stopped, wait_until

FOR_EVER = 3600.0


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    with running_pair(monkeypatch) as pair:
        yield pair


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The handshakes that were begun."""
    begun: list[str] = []
    begin = Race._begin_handshake

    def note(race: Race, conninfo: str) -> None:
        begun.append(conninfo)
        begin(race, conninfo)

    monkeypatch.setattr(Race, "_begin_handshake", note)
    return begun


def connect(pair: Pair, seconds: float = 60, members: Members | None = None) -> psycopg.Connection:
    dsn = f"{pair.dsn} target_session_attrs=primary" if members else pair.dsn
    pgconn = connect_first(dsn, time.monotonic() + seconds, lambda: False, members=members)
    return psycopg.Connection(pgconn)


def test_a_server_that_hangs_is_passed_by_where_the_name_has_another_address(pair: Pair) -> None:
    pair.addresses = [PRIMARY_HOST, STANDBY_HOST]
    with stopped(pair.primary.postmaster_pid), connect(pair) as connection:
        assert connection.info.hostaddr == STANDBY_HOST


def test_control_with_patience_for_each_the_deadline_passes_at_the_server_that_hangs(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caisson.connecting, "BUDGET_SECONDS", FOR_EVER)
    pair.addresses = [PRIMARY_HOST, STANDBY_HOST]
    with stopped(pair.primary.postmaster_pid), pytest.raises(psycopg.errors.ConnectionTimeout):
        connect(pair, seconds=2)


@pytest.fixture
def promoted(pair: Pair) -> Iterator[Pair]:
    """The standby leads, and the name still leads to the old primary alone, which hangs."""
    pair.promote()
    pair.addresses = [PRIMARY_HOST]
    with stopped(pair.primary.postmaster_pid):
        yield pair


def test_who_was_promoted_is_reached_before_the_name_leads_there(promoted: Pair) -> None:
    with connect(promoted, members=Members(STANDBY_HOST)) as connection:
        assert connection.info.hostaddr == STANDBY_HOST


def test_control_without_the_members_the_name_is_waited_for(promoted: Pair) -> None:
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        connect(promoted, seconds=2)


def test_who_refuses_at_the_name_does_not_keep_from_asking_the_members(pair: Pair) -> None:
    pair.promote()
    pair.primary.stop("immediate")
    pair.addresses = [PRIMARY_HOST]
    with connect(pair, members=Members(f"{PRIMARY_HOST},{STANDBY_HOST}")) as connection:
        assert connection.info.hostaddr == STANDBY_HOST


def test_members_are_not_asked_while_the_name_does(pair: Pair, begun: list[str]) -> None:
    with connect(pair, members=Members(STANDBY_HOST)):
        assert len(begun) == 1


def test_a_standby_alone_is_no_primary(pair: Pair) -> None:
    pair.primary.stop("immediate")
    with pytest.raises(psycopg.OperationalError, match="standby"):
        connect(pair, members=Members(STANDBY_HOST))


def test_a_name_that_means_another_server_by_now_is_followed(pair: Pair, begun: list[str]) -> None:
    with stopped(pair.primary.postmaster_pid):
        connecting = background(lambda: connect(pair))
        wait_until(lambda: len(begun) >= 2)
        pair.addresses = [STANDBY_HOST]
        with connecting.result(30) as connection:
            assert connection.info.hostaddr == STANDBY_HOST


def test_a_server_that_is_merely_slow_is_reached(pair: Pair, begun: list[str]) -> None:
    with stopped(pair.primary.postmaster_pid):
        connecting = background(lambda: connect(pair))
        wait_until(lambda: len(begun) >= 3)
    with connecting.result(30) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    wait_until(lambda: not pair.on_primary(CLIENTS), 30)


def test_the_handshakes_under_way_are_bounded(pair: Pair, begun: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caisson.connecting, "BUDGET_SECONDS", 0.001)
    with stopped(pair.primary.postmaster_pid):
        connecting = background(lambda: connect(pair))
        wait_until(lambda: len(begun) >= 3 * caisson.connecting.MOST_TO_ONE)
        monkeypatch.setattr(
            caisson.connecting, "BUDGET_SECONDS", FOR_EVER
        )  # none could be won in a thousandth of a second
    with connecting.result(30) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_addresses_that_refuse_are_told(pair: Pair) -> None:
    pair.primary.stop("immediate")
    pair.addresses = [PRIMARY_HOST, "127.0.0.3"]
    with pytest.raises(psycopg.OperationalError, match=r"127\.0\.0\.3.*refused"):
        connect(pair)


def test_closing_does_not_wait_for_whoever_connects(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, begun: list[str]
) -> None:
    """The listener's server hangs while it connects anew, with all the time in the world."""
    monkeypatch.setattr("caisson.map_source.CONNECT_SECONDS", FOR_EVER)
    is_listening, wait = threading.Event(), Listener._wait_for_bell

    def note(listener: Listener, connection: ShardConnection) -> None:
        is_listening.set()
        wait(listener, connection)

    monkeypatch.setattr(Listener, "_wait_for_bell", note)
    db = ShardedDatabase.connect(dsn=pair.dsn, timeout=FOR_EVER)
    assert is_listening.wait(30)
    backends = [pid for (pid,) in pair.on_primary(CLIENTS)]
    with stopped(pair.primary.postmaster_pid):
        before = len(begun)
        for pid in backends:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: len(begun) > before)
        reading = background(lambda: db.fetch(READ, key="A", table="flights"))
        background(db.close).result(30)
        with pytest.raises(NoPrimary, match="the database was closed; nothing was done"):
            reading.result(30)


def test_closing_does_not_wait_for_a_pool_that_is_being_warmed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, begun: list[str]
) -> None:
    monkeypatch.setattr("caisson.endpoints.WARM_SECONDS", FOR_EVER)
    db = ShardedDatabase.connect(dsn=pair.dsn, timeout=30)
    address = db.shard_map.addresses["s0"]
    db._endpoints.primary_pool(address).most_lent = 3
    with stopped(pair.primary.postmaster_pid):
        before = len(begun)
        warming = background(lambda: db._endpoints.warm(address))
        wait_until(lambda: len(begun) > before)
        db.close()
        assert isinstance(warming.exception(30), NotConnected)
