"""A Redis of a BackingCluster speaks to nobody without TLS, and nobody who knows its authority speaks to another."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from caisson.ids import IdAllocator
from caisson.locks.redis_dialing import dial_primary, read_binding
from caisson_operator.core.lock_space import StoreUnreachable
from caisson_operator.effects import locks
from caisson_operator.effects.redis import RedisUnreachable, ask_for_failover, read_sentinel, read_server, set_priority
from coordination.redis_members import (
    ADMIN,
    ANOTHER,
    HOST,
    Running,
    running_member,
    running_sentinel,
    write_binding,
)
from coordination.test_epoch_agent import Store
from epoch_agent.agent import Agent
from epoch_agent.records import Records
from redis_member.follow_certificate import (
    Follower,
    end_sentinel,
    is_its_turn,
    look_at,
    read_mounted,
    reload_redis,
)
from redis_member.resp import Connection

PATIENCE = 30.0


@pytest.fixture
def primary() -> Iterator[Running]:
    with running_member() as running:
        yield running


@pytest.fixture
def sentinel(primary: Running) -> Iterator[Running]:
    with running_sentinel(primary) as running:
        yield running


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


# Who is refused.


def ask_in_plain_text(port: int) -> bytes:
    with socket.create_connection((HOST, port), 5) as plain:
        plain.sendall(b"PING\r\n")
        try:
            return plain.recv(100)
        except ConnectionResetError:
            return b""


def test_neither_redis_nor_sentinel_answers_in_plain_text(primary: Running, sentinel: Running) -> None:
    for running in (primary, sentinel):
        answer = ask_in_plain_text(running.server.port)
        assert b"PONG" not in answer
        assert b"NOAUTH" not in answer, "that is what a server in plain text says"
        assert running.server.connect().ping()


def ask_as_application(running: Running, folder: Path) -> object:
    """Raises redis-py's errors."""
    connection = dial_primary(lambda: read_binding(folder), 5.0)()
    connection.send_command("PING")
    return connection.read_response()


def test_an_application_refuses_a_server_of_a_foreign_authority(primary: Running, tmp_path: Path) -> None:
    assert ask_as_application(primary, write_binding(tmp_path / "right", primary, None)) in (b"PONG", "PONG")
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        ask_as_application(primary, write_binding(tmp_path / "foreign", primary, None, ANOTHER))


def test_an_application_refuses_a_sentinel_of_a_foreign_authority(
    primary: Running, sentinel: Running, tmp_path: Path
) -> None:
    assert ask_as_application(primary, write_binding(tmp_path / "right", primary, sentinel)) in (b"PONG", "PONG")
    with running_sentinel(primary, ANOTHER) as foreign, pytest.raises(redis.ConnectionError):
        ask_as_application(primary, write_binding(tmp_path / "foreign", primary, foreign))


def test_a_member_refuses_another_that_is_of_a_foreign_authority_or_for_another_name(primary: Running) -> None:
    port, own = primary.server.port, primary.files.authority
    with Connection((HOST, port), ADMIN, authority=own) as connection:
        assert connection.call("PING") == "PONG"
    with pytest.raises(OSError, match="IP address mismatch"):
        Connection(("127.0.0.1", port), ADMIN, authority=own)
    own.write_text(ANOTHER.certificate)
    with pytest.raises(OSError, match="certificate verify failed"):
        Connection((HOST, port), ADMIN, authority=own)


def test_the_operator_goes_by_the_address_and_verifies_the_name_and_the_authority(
    primary: Running, sentinel: Running
) -> None:
    port = primary.server.port
    assert asyncio.run(read_server("127.0.0.1", port, primary.access())).is_primary
    asyncio.run(set_priority("127.0.0.1", port, primary.access(), 7))
    assert asyncio.run(read_server("127.0.0.1", port, primary.access())).priority == 7
    told = asyncio.run(read_sentinel("127.0.0.1", sentinel.server.port, sentinel.access(), "cache"))
    assert told.leader in (HOST, "127.0.0.1")
    for wrong in (primary.access(authority=ANOTHER), primary.access(name="cache.demo.svc")):
        with pytest.raises(RedisUnreachable, match="certificate verify failed") as failure:
            asyncio.run(read_server("127.0.0.1", port, wrong))
        assert ADMIN not in str(failure.value)


def test_the_operator_reads_locks_by_the_entries_of_a_binding_and_verifies_the_authority(
    primary: Running, sentinel: Running, tmp_path: Path
) -> None:
    folder = write_binding(tmp_path / "binding", primary, sentinel)
    entries = {entry.name: entry.read_text() for entry in folder.iterdir()}
    assert not asyncio.run(locks.read_space("redis", entries, "demo/jobs")).is_open, "no agent has raised the epoch"
    with pytest.raises(StoreUnreachable, match="certificate verify failed"):
        asyncio.run(locks.read_space("redis", {**entries, "ca.crt": ANOTHER.certificate}, "demo/jobs"))


# Members among themselves.


def link_of(running: Running) -> str:
    return str(running.server.connect().info("replication").get("master_link_status"))


def begins_failover(sentinel: Running) -> bool:
    """Not before it has heard from a replica that it would promote."""
    try:
        asyncio.run(ask_for_failover("127.0.0.1", sentinel.server.port, sentinel.access(), "cache"))
    except RedisUnreachable as error:
        if "NOGOODSLAVE" not in str(error):
            raise
        return False
    return True


def test_a_replica_follows_and_sentinel_promotes_it_over_tls(
    primary: Running, sentinel: Running, tmp_path: Path
) -> None:
    with running_member(primary) as replica:
        wait_until(lambda: link_of(replica) == "up")
        wait_until(lambda: begins_failover(sentinel))
        wait_until(lambda: replica.server.connect().info("replication")["role"] == "master")
        wait_until(lambda: link_of(primary) == "up")
        folder = write_binding(tmp_path / "binding", primary, sentinel)
        wait_until(lambda: dial_primary(lambda: read_binding(folder), 5.0)().port == replica.server.port)


def test_a_replica_does_not_follow_a_primary_of_a_foreign_authority(primary: Running) -> None:
    with running_member(primary, ANOTHER) as replica:
        wait_until(lambda: "certificate verify failed" in replica.server.log)
        assert link_of(replica) == "down"


# A renewed certificate.


def follow(running: Running, take_up: Callable[[], None]) -> Follower:
    return Follower(running.files.certificate, lambda: look_at(running.server.port), take_up)


def reload(running: Running) -> None:
    reload_redis(running.socket, ADMIN, running.files.certificate.parent)


def test_redis_shows_a_renewed_certificate_without_a_restart_and_keeps_its_connections(primary: Running) -> None:
    follower, held = follow(primary, lambda: reload(primary)), primary.server.connect()
    follower.round()
    run, before = held.info("server")["run_id"], look_at(primary.server.port)
    held_id = held.client_id()
    primary.show(HOST)
    assert look_at(primary.server.port) == before, "by itself it goes on with what it has read"
    follower.round()
    assert look_at(primary.server.port) == read_mounted(primary.files.certificate) != before
    assert (held.info("server")["run_id"], held.client_id()) == (run, held_id)


def test_a_renewed_authority_is_taken_up_too(primary: Running) -> None:
    primary.show(HOST, authority=ANOTHER)
    follow(primary, lambda: reload(primary)).round()
    assert asyncio.run(read_server("127.0.0.1", primary.server.port, primary.access(ANOTHER))).is_primary
    with running_member(primary, ANOTHER) as replica:
        wait_until(lambda: link_of(replica) == "up")


def test_a_key_that_is_not_the_certificates_own_leaves_redis_with_what_it_had(primary: Running) -> None:
    before, key = look_at(primary.server.port), primary.files.key.read_text()
    primary.show(HOST)
    primary.files.key.write_text(key)
    with pytest.raises(Exception, match="TLS"):
        follow(primary, lambda: reload(primary)).round()
    assert look_at(primary.server.port) == before
    assert primary.server.connect().ping()


def test_a_server_that_shows_what_is_mounted_is_left_alone(primary: Running) -> None:
    looks: list[int] = []

    def look() -> bytes | None:
        looks.append(1)
        return look_at(primary.server.port)

    follower = Follower(primary.files.certificate, look, lambda: pytest.fail("there was nothing to take up"))
    for _ in range(3):
        follower.round()
    assert len(looks) == 1
    primary.server.stop()
    primary.show(HOST)
    follower.round()  # who does not answer is left alone


def test_a_sentinel_ends_in_its_turn_and_shows_the_renewed_certificate_when_it_is_back(
    primary: Running, sentinel: Running
) -> None:
    myid = sentinel.server.connect().execute_command("SENTINEL", "MYID")
    sentinel.show(HOST)
    follow(sentinel, lambda: end_sentinel(sentinel.socket, ADMIN)).round()
    assert sentinel.server.wait() == 0
    sentinel.server.start()
    assert look_at(sentinel.server.port) == read_mounted(sentinel.files.certificate)
    assert sentinel.server.connect().execute_command("SENTINEL", "MYID") == myid


@pytest.mark.parametrize("second", [0.0, 19.9, 20.0, 139.0, 1_764_500_000.5])
def test_no_two_sentinels_of_a_cluster_end_at_the_same_time(second: float) -> None:
    assert sum(is_its_turn(f"cache-{ordinal}", second) for ordinal in range(7)) == 1


# What is done over it.


def test_the_agent_raises_the_epoch_and_ids_are_drawn_over_tls(primary: Running, tmp_path: Path) -> None:
    primary.server.connect().config_set("min-replicas-to-write", 0)
    folder = write_binding(tmp_path / "ids", primary, None)
    entries = {"type": "caisson-ids", "backend": "redis", "mode": "redis", "space": "demo/orders"}
    for name, value in entries.items():
        (folder / name).write_text(value)
    records = Records(Store(), "cache", "cache-0", "10.0.0.1", now=lambda: "2026-01-01T00:00:00Z")
    Agent(lambda: Connection(primary.socket, ADMIN), records, lambda _: None, 6379, leads_clients=True).look()
    with IdAllocator.connect(binding=folder) as ids:
        assert ids.next() < ids.next()
