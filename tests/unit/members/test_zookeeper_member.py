"""With whom a ZooKeeper member begins, and that nobody forms an ensemble a second time."""

from dataclasses import replace

import pytest

from zookeeper_member.configuration import (
    build_jaas,
    build_key_store,
    build_static,
    confine,
    find_dynamic,
    forms,
    join,
    lists,
    parse_members,
)
from zookeeper_member.member import Member
from zookeeper_member.name import await_name
from zookeeper_member.running import read_mode

PASSWORDS = {"caisson": "app", "caisson-admin": "admin"}
FIRST = Member("keeper", "keeper-0", "keeper-members.demo.svc", 3, False, PASSWORDS)
SECOND = replace(FIRST, name="keeper-1")
ANSWER = """clientPort=2181
membership:
server.1=keeper-0.keeper-members.demo.svc:2888:3888:participant;127.0.0.1:2181
version=100000000"""


def test_the_first_member_forms_the_ensemble_alone() -> None:
    assert join(FIRST, ()) == "server.1=keeper-0.keeper-members.demo.svc:2888:3888:participant;127.0.0.1:2181\n"


def test_it_is_never_formed_a_second_time() -> None:
    assert join(replace(FIRST, is_formed=True), ()) is None


def test_only_who_forms_it_may_begin_with_an_empty_disk_and_a_vote() -> None:
    alone = join(FIRST, ())
    assert alone is not None
    assert forms(FIRST, alone)
    assert not forms(replace(FIRST, is_formed=True), alone)
    assert not forms(FIRST, f"{alone}server.2=keeper-1.x:2888:3888:participant")
    assert not forms(SECOND, alone)
    assert "db.autocreate=false" in build_static("x")


def test_a_first_member_that_lost_its_volume_joins_those_that_are_there() -> None:
    others = ("server.1=keeper-0.x:2888:3888:participant;127.0.0.1:2181", "server.2=keeper-1.x:2888:3888:participant")
    assert join(FIRST, others) == "\n".join(others) + "\n"


def test_the_others_wait_for_somebody_to_answer_and_begin_without_a_vote() -> None:
    assert join(SECOND, ()) is None
    listed = join(SECOND, parse_members(ANSWER))
    assert listed is not None
    assert listed.splitlines() == [
        "server.1=keeper-0.keeper-members.demo.svc:2888:3888:participant;127.0.0.1:2181",
        "server.2=keeper-1.keeper-members.demo.svc:2888:3888:observer;127.0.0.1:2181",
    ]


def test_one_that_died_before_it_had_its_vote_begins_without_it_again() -> None:
    """ZooKeeper had kept the ensemble's list for it, in which it was not, and would not start with that."""
    kept = parse_members("server.1=keeper-0.keeper-members.demo.svc:2888:3888:participant;127.0.0.1:2181\n")
    assert not lists(SECOND, kept)
    listed = join(SECOND, kept)
    assert listed is not None
    assert lists(SECOND, listed.splitlines())
    assert listed.splitlines()[1].endswith(":observer;127.0.0.1:2181")


def test_asks_members_beyond_the_number_that_it_was_started_with() -> None:
    fourth = replace(FIRST, name="keeper-3")
    assert len(fourth.other_hosts) == 3


def test_keeps_the_file_of_members_that_zookeeper_has_written() -> None:
    assert find_dynamic(build_static("/x/zoo.cfg.dynamic.10000000b")) == "/x/zoo.cfg.dynamic.10000000b"
    assert find_dynamic("tickTime=1000") is None


def test_nobody_comes_in_without_a_password() -> None:
    static = build_static("x")
    assert "sessionRequireClientSASLAuth=true" in static
    assert "\nssl.quorum.clientAuth=need\n" in static
    jaas = build_jaas(FIRST)
    assert 'user_caisson="app"' in jaas
    assert "app" not in repr(FIRST).replace("app.", "")


def test_clients_and_members_find_tls_alone_but_within_the_pod() -> None:
    static = build_static("x")
    assert "\nsecureClientPort=2281\n" in static
    assert "\nsslQuorum=true\n" in static
    assert "clientPort=" not in static.replace("secureClientPort=", "")
    assert FIRST.describe("participant").endswith(";127.0.0.1:2181")


def test_an_ensemble_of_the_days_before_tls_closes_its_port_in_plain_text() -> None:
    line = "server.1=keeper-0.keeper-members.demo.svc:2888:3888:participant;"
    assert confine(f"{line}0.0.0.0:2181\nversion=4\n") == f"{line}127.0.0.1:2181\nversion=4\n"


def test_the_key_and_its_certificate_are_one_file() -> None:
    assert build_key_store("KEY\n", "CERTIFICATE\n\n") == "KEY\nCERTIFICATE\n"


def test_reads_the_mode() -> None:
    assert read_mode("Zxid: 0x1\nMode: follower\nNode count: 6") == "follower"
    assert read_mode("This ZooKeeper instance is not currently serving requests") == ""


def test_a_member_starts_once_its_name_leads_to_it() -> None:
    assert await_name("localhost", seconds=0)


@pytest.mark.parametrize("host", ["192.0.2.1", "nobody.invalid"])
def test_it_says_so_where_its_name_leads_elsewhere(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not await_name(host, seconds=0)
    assert f"{host} does not lead to this pod" in capsys.readouterr().err
