"""What a Redis member starts with, whom it follows, and what a Sentinel keeps over a restart."""

from dataclasses import replace
from pathlib import Path

import pytest

from caisson_operator.backing_cluster.manifests.pod import build_mounts
from caisson_operator.core import certificates
from redis_member.configuration import build_redis, build_sentinel
from redis_member.follow_certificate import build_followers
from redis_member.leader import Told, choose, must_stand_back, parse_kept
from redis_member.member import AUTHORITY, CERTIFICATE, PRIVATE_KEY, Member, read_member

MEMBER = Member("cache", "cache-1", "cache-members.demo.svc", 3, True, "everysec", "admin-pass", "app-pass")
FIRST = "cache-0.cache-members.demo.svc"


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_reads_who_it_is_from_its_pod(tmp_path: Path) -> None:
    (tmp_path / "admin").write_text("a\n")
    (tmp_path / "application").write_text("b")
    environment = {
        "CAISSON_CLUSTER": "cache",
        "CAISSON_POD_NAME": "cache-2",
        "CAISSON_POD_NAMESPACE": "demo",
        "CAISSON_PODS_SERVICE": "cache-members",
        "CAISSON_MEMBERS": "3",
        "CAISSON_TOPOLOGY": "replicated",
        "CAISSON_FSYNC": "always",
    }
    member = read_member(environment, tmp_path)
    assert (member.host, member.quorum) == ("cache-2.cache-members.demo.svc", 2)
    assert member.other_hosts == (FIRST, "cache-1.cache-members.demo.svc")
    assert "'a'" not in repr(member)


def test_a_replica_follows_by_host_name_and_is_known_by_its_own() -> None:
    made = lines(build_redis(MEMBER, FIRST))
    assert f"replicaof {FIRST} 6379" in made
    assert f"replica-announce-ip {MEMBER.host}" in made
    assert "min-replicas-to-write 1" in made
    assert "requirepass admin-pass" in made


def test_a_primary_follows_nobody_and_an_independent_one_knows_of_no_replicas() -> None:
    assert not any(line.startswith("replicaof") for line in lines(build_redis(MEMBER, None)))
    lone = Member("cache", "cache-1", "d", 3, False, "always", "a", "b")
    assert not any("repl" in line for line in lines(build_redis(lone, None)) if line != "tls-replication yes")
    assert "appendfsync always" in lines(build_redis(lone, None))


@pytest.mark.parametrize(
    ("made", "port"), [(build_redis(MEMBER, FIRST), 6379), (build_sentinel(MEMBER, FIRST, "port 26379\n"), 26379)]
)
def test_no_port_is_open_without_tls_and_fellows_are_reached_over_it(made: str, port: int) -> None:
    ports = [line for line in lines(made) if "port" in line.split()[0] and "announce" not in line]
    assert ports == ["port 0", f"tls-port {port}"]
    assert {"tls-replication yes", "tls-auth-clients no", "tls-cert-file /etc/caisson/tls/tls.crt"} <= set(lines(made))


def test_what_the_pod_mounts_is_where_its_servers_look() -> None:
    (mount,) = [mount["mountPath"] for mount in build_mounts() if mount["name"] == "tls"]
    assert [str(file) for file in (CERTIFICATE, PRIVATE_KEY, AUTHORITY)] == [
        f"{mount}/{key}" for key in (certificates.CERTIFICATE_KEY, certificates.PRIVATE_KEY, certificates.AUTHORITY_KEY)
    ]


def test_a_sentinel_is_not_ended_but_in_its_turn_and_an_independent_member_has_none() -> None:
    _, out_of_turn = build_followers(MEMBER, clock=lambda: 0.0)
    out_of_turn.take_up()
    _, in_turn = build_followers(MEMBER, clock=lambda: 20.0)
    with pytest.raises(FileNotFoundError):  # there is no Sentinel here to be ended
        in_turn.take_up()
    assert len(build_followers(replace(MEMBER, is_replicated=False), clock=lambda: 20.0)) == 1


def test_the_applications_password_stands_in_no_file() -> None:
    assert "app-pass" not in build_redis(MEMBER, None) + build_sentinel(MEMBER, FIRST)


@pytest.mark.parametrize(
    ("told", "kept", "chosen"),
    [
        ([], None, FIRST),
        ([], Told("kept", 3), "kept"),
        ([Told("old", 2), Told("new", 5)], None, "new"),
        ([Told("told", 2)], Told("kept", 4), "kept"),
        ([Told("told", 4)], Told("kept", 2), "told"),
    ],
)
def test_follows_whom_the_latest_word_names(told: list[Told], kept: Told | None, chosen: str) -> None:
    assert choose(told, kept, FIRST).leader == chosen


def test_a_sentinel_that_has_just_forgotten_everybody_does_not_hide_the_replicas() -> None:
    """Its primary, back without data in that moment, would have the replicas throw theirs away."""
    forgetful, knowing = Told(MEMBER.host, 3), Told(MEMBER.host, 3, replicas=2)
    for told in ([forgetful, knowing], [knowing, forgetful]):
        assert must_stand_back(choose(told, None, FIRST), MEMBER, has_data=False)
    assert choose([Told("new", 5), Told("old", 2, replicas=2)], None, FIRST) == Told("new", 5)


@pytest.mark.parametrize(
    ("chosen", "has_data", "stands_back"),
    [
        (Told(MEMBER.host, 3, replicas=2), False, True),
        (Told(MEMBER.host, 3, replicas=2), True, False),
        (Told(MEMBER.host, 0, replicas=0), False, False),
        (Told(FIRST, 3, replicas=2), False, False),
    ],
)
def test_without_its_data_a_primary_waits_until_another_one_is_elected(
    chosen: Told, has_data: bool, stands_back: bool
) -> None:
    assert must_stand_back(chosen, MEMBER, has_data) is stands_back


KEPT = f"""port 26379
sentinel myid 3e08db69
requirepass an-old-password
user caisson on #old +@all
sentinel monitor cache cache-2.cache-members.demo.svc 6379 3
sentinel config-epoch cache 7
sentinel known-replica cache {FIRST} 6379
sentinel known-sentinel cache {FIRST} 26379 3a0098
sentinel current-epoch 7
"""


def test_a_sentinel_keeps_what_it_has_learned_and_nothing_that_is_wanted_otherwise_now() -> None:
    kept = parse_kept(KEPT, "cache")
    assert kept == Told("cache-2.cache-members.demo.svc", 7)
    made = lines(build_sentinel(MEMBER, kept.leader, KEPT))
    assert "sentinel monitor cache cache-2.cache-members.demo.svc 6379 2" in made
    for learned in ("sentinel myid 3e08db69", "sentinel config-epoch cache 7", "sentinel current-epoch 7"):
        assert learned in made
    assert made.count(f"sentinel known-sentinel cache {FIRST} 26379 3a0098") == 1
    assert not any("old" in line for line in made)
    assert made.index("sentinel monitor cache cache-2.cache-members.demo.svc 6379 2") < made.index(
        "sentinel config-epoch cache 7"
    ), "Sentinel must know the primary before what belongs to it"


def test_a_file_of_another_cluster_tells_nothing() -> None:
    assert parse_kept(KEPT, "other") is None
