"""Members by the configuration of their pods: TLS to clients and among each other, and an ensemble that grows and shrinks under it."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from caisson.locks.zookeeper import Target, ZooKeeperStore
from caisson_operator.effects.zookeeper import remove_member
from coordination.lock_contract import take, until
from coordination.zookeeper_members import RunningMember, give_vote, homes, running, until_serving
from coordination.zookeeper_tls import HOST, Identity, make_identity
from zookeeper_member.configuration import parse_members
from zookeeper_member.running import ask_fellow


@pytest.fixture(scope="module")
def three(identity: Identity) -> Iterator[list[RunningMember]]:
    """Formed by the first, joined by the others one at a time."""
    with homes([identity] * 3) as members, ExitStack() as stack:
        for place, member in enumerate(members):
            known = [fellow.describe("participant") for fellow in members[:place]]
            role = "observer" if known else "participant"
            stack.enter_context(running(member, [*known, member.describe(role)]))
            until_serving(member)
            if known:
                give_vote(members[:place], member)
        yield members


def test_each_member_that_was_added_has_a_vote_and_serves_over_tls(three: list[RunningMember]) -> None:
    for member in three:
        until(lambda member=member: sees_three(member))  # type: ignore[misc]
    hosts = ",".join(member.host for member in three)
    store = ZooKeeperStore(
        Target(hosts, "caisson", "app", three[0].identity.authority), "t/a", 10.0, makes_space=True, start_seconds=30
    )
    assert store.release(take(store))
    store.close()


def test_whoever_comes_late_joins_those_with_higher_numbers(identity: Identity) -> None:
    """As the first of three whose node was lost: the others dial back, and it has no vote by which they could know it."""
    with homes([identity] * 3) as (first, late, last), ExitStack() as stack:
        known: list[RunningMember] = []
        for member in (first, last, late):
            lines = [fellow.describe("participant") for fellow in known]
            role = "observer" if known else "participant"
            stack.enter_context(running(member, [*lines, member.describe(role)]))
            until_serving(member)
            if known:
                give_vote(known, member)
            known.append(member)
        for member in known:
            until(lambda member=member: sees_three(member))  # type: ignore[misc]


def sees_three(member: RunningMember) -> bool:
    view = member.read()
    return view is not None and [role for _, role in view.members] == ["participant"] * 3


def test_whoever_asks_for_the_list_of_members_verifies_who_answers(three: list[RunningMember], tmp_path: Path) -> None:
    port, authority = three[0].ports[3], three[0].identity.authority
    assert len(parse_members(ask_fellow(HOST, "conf", port, authority))) == 3
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        ask_fellow(HOST, "conf", port, make_identity(tmp_path).authority)
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        ask_fellow("127.0.0.1", "conf", port, authority)


def test_what_is_open_beyond_the_pod_speaks_tls_alone(three: list[RunningMember]) -> None:
    """The control is the port of the pod's own, which answers in plain text, and to the pod alone."""
    peer, election, local, clients = find_leader(three).ports
    context = ssl.create_default_context(cafile=three[0].identity.authority)
    context.load_cert_chain(three[0].identity.key_store)
    assert say_in_plain_text("127.0.0.1", local) == "imok"
    with pytest.raises(ConnectionRefusedError):
        say_in_plain_text("127.0.0.2", local)
    assert say_in_plain_text("127.0.0.2", clients) == "", "the control: the clients' port is open to others"
    for port in (peer, election, clients):
        assert say_in_plain_text("127.0.0.1", port) == ""
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as secured,
        ):
            assert secured.version()


def find_leader(members: list[RunningMember]) -> RunningMember:
    found = [member for member in members if (view := member.read()) and view.mode == "leader"]
    return found[0]


def say_in_plain_text(host: str, port: int, word: bytes = b"ruok") -> str:
    with socket.create_connection((host, port), timeout=3) as connection:
        connection.sendall(word)
        try:
            return connection.recv(100).decode(errors="replace")
        except (TimeoutError, ConnectionResetError):
            return ""


@pytest.mark.parametrize("trusts", ["another authority", "the ensemble's authority"])
def test_who_does_not_belong_to_the_ensemble_does_not_come_in(trusts: str, identity: Identity, tmp_path: Path) -> None:
    """It has no key of the authority's. The control are the members of the other tests, which join in the same way and belong."""
    other = make_identity(tmp_path)
    its = other if trusts == "another authority" else replace(identity, key_store=other.key_store)
    with homes([identity, its]) as (first, stranger):
        lines = [first.describe("participant"), stranger.describe("observer")]
        with running(first, lines[:1]):
            until_serving(first)
            with running(stranger, lines):
                until(lambda: stranger.log.count("Cannot open channel to 1") > 1)
                assert "not currently serving" in say_in_plain_text("127.0.0.1", stranger.ports[2], b"srvr")


def test_a_member_that_loses_its_vote_is_gone_from_the_list_of_the_others(three: list[RunningMember]) -> None:
    view = three[0].read()
    assert view is not None
    hosts = ",".join(member.host for member in three)
    asyncio.run(remove_member(hosts, three[0].access, 3, view.version))
    until(lambda: (seen := three[0].read()) is not None and [number for number, _ in seen.members] == [1, 2])
