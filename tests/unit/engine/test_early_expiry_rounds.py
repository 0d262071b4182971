"""The agent against servers of this process: an API server that compares versions, members that answer or do not.

The leader is 127.0.0.2, the agent's own member 127.0.0.1. Time is what the test says it is.
"""

import asyncio
import itertools
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import urllib3

from caisson_operator.effects.certificates import KeyPair
from early_expiry.agent import Agent
from early_expiry.effects import TOUCHED, Hands
from early_expiry.kube import Kube
from early_expiry.observe import SSL_REQUEST, Eyes, Patience, Ports, build_members
from early_expiry.report import Report
from early_expiry.watch import Watch
from fakes.certificates import Files, new_authority, write_certificate
from fakes.kube_server import FakeKube, serve, serve_kube

LEADER, OWN = "127.0.0.2", "127.0.0.1"
RECORD, SYNC, POD = "endpoints/flights-s0", "endpoints/flights-s0-sync", "pods/flights-s0-0"
NAME, AUTHORITY = "flights-s0.demo.svc", new_authority()
# Who never answers need not be waited for; who does is given the time that a busy machine takes.
SILENT, LONG = 0.05, 10.0
NOBODY_ANSWERS = Patience(SILENT, SILENT, LONG)
STANDBY = {"state": "running", "role": "replica"}


def answer_as_postgresql(listener: socket.socket) -> None:
    """N: no TLS here."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            if connection.recv(len(SSL_REQUEST)) == SSL_REQUEST:
                connection.sendall(b"N")


@dataclass
class Shard:
    """Two members and a store. A listener that nobody accepts from is what a stopped process looks like."""

    kube: FakeKube
    stack: ExitStack
    ports: Ports
    leaders_postgresql: socket.socket
    certificate: Files
    status: dict[str, Any] = field(default_factory=lambda: dict(STANDBY))
    lines: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    known: Watch | None = None

    def renew(self, number: int) -> None:
        annotations = {"leader": "flights-s0-0", "acquireTime": "a", "renewTime": f"r{number}", "optime": "1"}
        self.kube.put(RECORD, annotations, subsets=[{"addresses": [{"ip": LEADER}]}])

    def tell_own(self, *_: object) -> tuple[int, dict[str, Any]]:
        return 200, {"dcs_last_seen": int(time.time()), **self.status}

    def wake_postgresql(self) -> None:
        Thread(target=answer_as_postgresql, args=(self.leaders_postgresql,), daemon=True).start()

    def wake_patroni(self) -> None:
        tls = self.certificate.server_context()
        self.stack.enter_context(serve(lambda *_: (503, {}), LEADER, self.ports.restapi, tls))

    def agent(self, token: Path, patience: Patience) -> Agent:
        kube = Kube(urllib3.PoolManager(), self.kube.base, token, LONG)
        members = build_members(self.certificate.authority, NAME)
        eyes = Eyes(kube, "flights-s0", OWN, members, self.ports, patience, lambda: self.seconds)
        hands = Hands(kube, "flights-s0", "flights-s0-1", unix_nanoseconds=itertools.count(77).__next__)
        return Agent("flights-s0-1", eyes, hands, Report(lambda line: self.lines.append(json.loads(line))))

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    certificate = write_certificate(tmp_path, [NAME], AUTHORITY)
    with ExitStack() as stack:
        kube = stack.enter_context(serve_kube(FakeKube()))
        own = stack.enter_context(socket.create_server((OWN, 0)))
        port = own.getsockname()[1]
        silent = stack.enter_context(socket.create_server((LEADER, port)))
        Thread(target=answer_as_postgresql, args=(own,), daemon=True).start()
        shard = Shard(kube, stack, Ports(), silent, certificate)
        rest = stack.enter_context(serve(shard.tell_own, OWN, 0, certificate.server_context()))
        shard.ports = Ports(port, rest)
        kube.put(SYNC, {"leader": "flights-s0-0", "sync_standby": "flights-s0-1", "quorum": "0"})
        kube.put(POD, {"status": "{}"})
        yield shard
        own.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    token = tmp_path / "token"
    token.write_text("token")
    return token


@pytest.fixture
def agent(shard: Shard, token: Path) -> Agent:
    return shard.agent(token, NOBODY_ANSWERS)


def go(shard: Shard, agent: Agent, *moments: float) -> None:
    """Rounds at these seconds of the agent's clock."""

    async def rounds() -> None:
        for moment in moments:
            shard.seconds = moment
            shard.known = await agent.guarded_round(shard.known)

    asyncio.run(rounds())


def go_silent(shard: Shard, agent: Agent) -> None:
    """A leader that renews twice under the agent's eyes, and then no more."""
    for number in range(3):
        shard.renew(number)
        go(shard, agent, float(number))
    go(shard, agent, 2.9, 4.6)


def look_often(start: float, end: float) -> list[float]:
    """Twice a second: no gap in what is seen."""
    return [start + 0.5 * step for step in range(round((end - start) / 0.5))]


def test_goes_by_the_timings_that_patroni_runs_with(shard: Shard, agent: Agent) -> None:
    shard.kube.put(f"{RECORD}-config", {"config": json.dumps({"loop_wait": 10, "ttl": 30})})
    for number in range(3):
        shard.renew(number)
        go(shard, agent, *look_often(10.0 * number, 10.0 * number + 10))
    assert shard.kube.writes == [], "ten seconds after its last renewal it is not overdue"
    go(shard, agent, *look_often(30, 33))
    assert shard.kube.writes == [SYNC, POD, RECORD]


def test_timings_that_have_changed_a_moment_ago_are_read_before_anything_is_done(shard: Shard, agent: Agent) -> None:
    for number in range(3):
        shard.renew(number)
        go(shard, agent, float(number))
    shard.kube.put(f"{RECORD}-config", {"config": json.dumps({"loop_wait": 10, "ttl": 30})})
    go(shard, agent, 2.9, 4.6)
    assert shard.kube.writes == []
    assert shard.lines[-1]["reason"] == "the leader's record is not overdue by the timings that hold now"


def test_ends_the_lead_of_a_leader_that_takes_connections_and_says_nothing(shard: Shard, agent: Agent) -> None:
    go_silent(shard, agent)
    assert shard.kube.writes == [SYNC, POD, RECORD]
    assert shard.kube.annotations(RECORD) == {"acquireTime": "a", "renewTime": "r2", "optime": "1"}
    assert shard.kube.objects[RECORD]["subsets"] == [{"addresses": [{"ip": LEADER}]}], (
        "the next leader's takes its place"
    )
    assert shard.kube.annotations(SYNC)[TOUCHED] == "flights-s0-1 77"
    assert "status" not in shard.kube.annotations(POD)
    assert shard.lines[-1]["event"] == "leader_expired"
    assert shard.lines[-1]["not_renewed_seconds"] == 2.6


def test_leaves_the_pod_alone_whose_patroni_still_speaks(shard: Shard, token: Path) -> None:
    shard.wake_patroni()
    go_silent(shard, shard.agent(token, Patience(SILENT, LONG, LONG)))
    assert shard.kube.writes == [SYNC, RECORD]


@pytest.mark.parametrize(
    ("name", "authority"),
    [(NAME, new_authority()), ("flights-s1.demo.svc", AUTHORITY)],
    ids=["another authority", "another shard"],
)
def test_who_only_poses_as_the_leaders_patroni_is_not_heard(
    shard: Shard, token: Path, tmp_path: Path, name: str, authority: KeyPair
) -> None:
    (tmp_path / "other").mkdir()
    other = write_certificate(tmp_path / "other", [name], authority).server_context()
    shard.stack.enter_context(serve(lambda *_: (503, {}), LEADER, shard.ports.restapi, other))
    go_silent(shard, shard.agent(token, Patience(SILENT, LONG, LONG)))
    assert shard.kube.writes == [SYNC, POD, RECORD]


def test_a_pod_that_is_gone_needs_no_hiding(shard: Shard, agent: Agent) -> None:
    del shard.kube.objects[POD]
    go_silent(shard, agent)
    assert shard.kube.writes == [SYNC, RECORD]


def test_does_nothing_while_the_leaders_postgresql_answers(shard: Shard, token: Path) -> None:
    shard.wake_postgresql()
    agent = shard.agent(token, Patience(LONG, SILENT, LONG))
    go_silent(shard, agent)
    go(shard, agent, 6, 7, 8)
    assert shard.kube.writes == []
    assert shard.lines[-1]["reason"].endswith("its PostgreSQL answers")


def test_does_nothing_while_the_leader_renews(shard: Shard, agent: Agent) -> None:
    for number in range(6):
        shard.renew(number)
        go(shard, agent, float(number), number + 0.9)
    assert shard.kube.writes == []
    assert shard.events() == ["leader_watched"]


def test_a_refusal_is_told_once_with_its_reason(shard: Shard, agent: Agent) -> None:
    shard.status["failsafe_mode_is_active"] = True
    go_silent(shard, agent)
    go(shard, agent, 5, 6)
    assert shard.kube.writes == []
    assert shard.events() == ["leader_watched", "early_expiry_refused"]
    assert "bear with it" in shard.lines[-1]["reason"]


def test_a_store_that_was_down_is_no_sign_of_a_silent_leader(shard: Shard, agent: Agent) -> None:
    for number in range(3):
        shard.renew(number)
        go(shard, agent, float(number))
    shard.kube.is_down = True
    go(shard, agent, 2.9, 3.5, 4.1, 4.7)
    shard.kube.is_down = False
    go(shard, agent, 5.3, 6.3, 7.3)
    assert shard.kube.writes == []
    assert shard.events() == ["leader_watched", "round_failed", "leader_watched"]
    assert "503" in shard.lines[1]["message"]
    go(shard, agent, 8.0)
    assert shard.kube.writes == [SYNC, POD, RECORD]


def test_a_leader_that_writes_to_the_sync_record_first_keeps_its_lead(shard: Shard, agent: Agent) -> None:
    def interfere(method: str, path: str) -> None:
        if (method, path) == ("PATCH", SYNC):
            shard.kube.put(SYNC, {"leader": "flights-s0-0"})

    shard.kube.before = interfere
    go_silent(shard, agent)
    assert shard.kube.writes == []
    assert shard.events()[-1] == "early_expiry_overtaken"


def test_a_leader_that_renews_at_the_last_moment_keeps_its_lead_until_it_is_silent_again(
    shard: Shard, agent: Agent
) -> None:
    def interfere(method: str, path: str) -> None:
        if (method, path) == ("PATCH", RECORD):
            shard.kube.before = lambda method, path: None
            shard.renew(3)

    shard.kube.before = interfere
    go_silent(shard, agent)
    assert shard.kube.writes == [SYNC, POD]
    assert shard.kube.annotations(RECORD)["leader"] == "flights-s0-0"
    assert shard.events()[-1] == "early_expiry_overtaken"
    go(shard, agent, 5.0, 6.0)
    assert shard.kube.writes == [SYNC, POD]
    go(shard, agent, 7.7)
    assert shard.kube.writes[2:] == [SYNC, POD, RECORD]


def test_a_patch_that_raises_no_version_stops_it(shard: Shard, agent: Agent) -> None:
    """As it would if the mark were the same as last time: the leader's writes in flight would pass."""
    shard.kube.annotations(SYNC)[TOUCHED] = "flights-s0-1 77"
    go_silent(shard, agent)
    assert shard.kube.writes == [SYNC]
    assert shard.lines[-1]["reason"] == "NothingTouched"


def test_an_answer_that_nobody_has_thought_of_is_told_once_and_the_next_round_begins(
    shard: Shard, agent: Agent
) -> None:
    shard.kube.put(SYNC, {"leader": "flights-s0-0", "sync_standby": "flights-s0-1", "quorum": "many"})
    go_silent(shard, agent)
    assert shard.kube.writes == []
    assert shard.events() == ["leader_watched", "round_failed"]
    shard.kube.put(SYNC, {"leader": "flights-s0-0", "sync_standby": "flights-s0-1"})
    go(shard, agent, 5.0, 6.0, 7.7)
    assert shard.kube.writes == [SYNC, POD, RECORD]


def test_looks_less_often_where_there_is_nothing_to_do(shard: Shard, agent: Agent) -> None:
    shard.renew(0)
    go(shard, agent, 0.0)
    renewed = agent.pause_seconds(shard.known)
    go(shard, agent, renewed)
    assert agent.pause_seconds(shard.known) == agent.pause_seconds(None) < renewed <= 1
    shard.kube.annotations(RECORD)["leader"] = "flights-s0-1"
    go(shard, agent, 0.8)
    assert agent.pause_seconds(shard.known) > agent.pause_seconds(None)
