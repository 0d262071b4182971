"""Members' roles take turns on real servers: a standby in the hands of Patroni's own code, copies, rewinds, and nobody is refused.

The shard's side is the operator's own effects, the standby's the engine's own program over Patroni.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest

from caisson_operator.core.decisions import Decision, Settled, Step
from caisson_operator.core.layout import FIRST_MEMBER_ROLES, MEMBER_ROLES, RETIRED
from caisson_operator.effects.postgres.catalog import OWN
from caisson_operator.sharded_database.observed import Objects
from postgres.clusters import BINARIES, Cluster, running_clusters, running_standby
from postgres.expansion.driver import Operator
from postgres.expansion.image import SCRIPT, bootstrap
from postgres.expansion.member_standby import (
    MEMBER,
    Standby,
    admit,
    break_streams,
    can_log_in,
    folder_of_owner,
    let_in,
    patroni,
    retire,
    run_as_owner,
    streams_as,
    wait_for,
)
from postgres.expansion.promotion import make_synchronous
from postgres.expansion.stage import set_stage

OLD, NEW = dict.fromkeys(FIRST_MEMBER_ROLES, "one"), {"caisson_replication_b": "two", "caisson_rewind_b": "two"}
NAMES = {"replication_user": "caisson_replication_b", "rewind_user": "caisson_rewind_b"}
FIRST = {"replication": "one", "rewind": "one", "passfile": "A"}
PREPARED = {**FIRST, "coming_member_rotation": "r1", "coming_replication": "two", "coming_rewind": "two"}
ADOPTED = {"replication": "two", "rewind": "two", **NAMES, "passfile": "AB", "member_rotation": "r1", "previous_replication": "one"}  # fmt: skip
GRANTS = re.search(r"GRANT EXECUTE.*?;", SCRIPT.read_text(), re.DOTALL)


def read_own(cluster: Cluster, name: str) -> list[Any]:
    with cluster.connect() as connection:
        return connection.execute(OWN[name].encode()).fetchall()


def copy(cluster: Cluster, role: str, password: str) -> str:
    """What pg_basebackup says against it; empty: a copy was made."""
    with folder_of_owner() as folder:
        target = cluster.dsn("replication", role)
        done = run_as_owner(BINARIES / "pg_basebackup", "-d", target, "-D", folder / "copy", "-c", "fast", password=password)  # fmt: skip
        return done.stderr if done.returncode else ""


@dataclass
class Writer:
    """An application that must not be refused: each row waits for the standby."""

    cluster: Cluster
    rows: int = 0
    errors: list[str] = field(default_factory=list)

    def run(self, is_over: Event) -> None:
        with self.cluster.connect() as connection:
            connection.execute("CREATE TABLE written (id int)")
            while not is_over.wait(0.02):
                try:
                    connection.execute("INSERT INTO written VALUES (1)")
                except psycopg.Error as error:
                    self.errors.append(str(error))
                self.rows += 1


@contextmanager
def writing(cluster: Cluster) -> Iterator[Writer]:
    writer, is_over = Writer(cluster), Event()
    thread = Thread(target=writer.run, args=(is_over,))
    thread.start()
    try:
        yield writer
    finally:
        is_over.set()
        thread.join()


@pytest.fixture
def standby() -> Iterator[Standby]:
    """Of a primary with the first day's passwords, in the hands of Patroni."""
    with (
        running_clusters(1, {"fsync": "off", "wal_log_hints": "on"}) as (primary,),
        running_standby(primary, MEMBER) as cluster,
        folder_of_owner() as folder,
    ):
        admit(primary)
        let_in(primary, "", OLD)
        with primary.connect() as connection:
            connection.execute("SELECT pg_create_physical_replication_slot('s0_1')")
        made = Standby(primary, cluster, folder, folder / "log")
        made.mount(FIRST)
        with patroni(made):
            made.wait_until_it_streams_as("caisson_replication")
            yield made


def test_a_standby_gets_in_at_every_step_and_nothing_restarts(standby: Standby) -> None:
    """Its stream breaks in each of them. Each copy that is begun in one is made."""
    primary, lived = standby.primary, standby.cluster.postmaster_pid
    make_synchronous(primary, f'"{MEMBER}"')
    with writing(primary) as writer:
        let_in(primary, "r1", NEW)
        standby.mount(PREPARED)
        wait_for(lambda: "told ['', 'r1']" in standby.told)
        for role, passwords in (("caisson_replication", OLD), ("caisson_replication_b", NEW)):
            break_streams(primary)
            standby.wait_until_it_streams_as("caisson_replication")
            assert copy(primary, role, passwords[role]) == ""
        standby.mount(ADOPTED)
        standby.wait_until_it_streams_as("caisson_replication_b")
        wait_for(lambda: read_own(primary, "member_sessions") == [("caisson_replication_b",)])
        assert copy(primary, "caisson_replication", "one") == "", "who is late gets in as the old one"
        retire(primary, FIRST_MEMBER_ROLES)
        break_streams(primary)
        standby.wait_until_it_streams_as("caisson_replication_b")
        before = writer.rows
        wait_for(lambda: writer.rows > before + 10)
    assert writer.errors == []
    assert standby.cluster.postmaster_pid == lived
    assert (standby.folder / "passfile").read_text() == "AB"
    assert [can_log_in(primary, role, password) for role, password in (OLD | NEW).items()] == [False, False, True, True]
    assert "caisson_replication" in copy(primary, "caisson_replication", "one"), "who is not let in"


def test_control_with_one_role_whose_password_changes_a_standby_stays_away(standby: Standby) -> None:
    let_in(standby.primary, "r1", dict.fromkeys(FIRST_MEMBER_ROLES, "two"))
    break_streams(standby.primary)
    wait_for(lambda: "password authentication failed" in standby.cluster.log)
    assert streams_as(standby.primary) == []


def test_what_a_shard_notes_of_its_roles_is_read_back(standby: Standby) -> None:
    primary = standby.primary
    assert dict(read_own(primary, "member_roles")) == dict.fromkeys(FIRST_MEMBER_ROLES, "")
    let_in(primary, "r1", NEW)
    noted = dict.fromkeys(FIRST_MEMBER_ROLES, "") | dict.fromkeys(NEW, "rotation r1")
    assert dict(read_own(primary, "member_roles")) == noted
    retire(primary, FIRST_MEMBER_ROLES)
    assert dict(read_own(primary, "member_roles")) == noted | dict.fromkeys(FIRST_MEMBER_ROLES, RETIRED)
    assert read_own(primary, "member_sessions") == [("caisson_replication",)], "open sessions go on, and are seen"
    let_in(primary, "r2", dict.fromkeys(FIRST_MEMBER_ROLES, "three"))
    assert can_log_in(primary, "caisson_replication", "three")


class LaterOperator(Operator):
    """Of a database whose members were rotated once. `subscribers` are whom it has seen its subscriptions come as."""

    def __post_init__(self) -> None:
        super().__post_init__()
        role, self.subscribers = "caisson_replication_b", set[str]()
        self.actor.subscription_conninfo = lambda shard: self._find(shard).dsn(user=role, password=NEW[role])
        self.after_step = self._look

    def _find(self, shard: str) -> Cluster:
        return self.clusters[int(shard[1:])]

    def _objects(self) -> Objects:
        names = ("caisson_replication_b", "caisson_rewind_b")
        return replace(super()._objects(), member_rotation="r1", member_roles=names)

    def _look(self, step: Step) -> None:
        with self.clusters[0].connect() as connection:
            found = connection.execute("SELECT usename FROM pg_stat_replication").fetchall()
        self.subscribers |= {user for (user,) in found}


def test_an_expansion_comes_as_the_second_role_once_the_first_is_retired(tmp_path: Path) -> None:
    with set_stage(tmp_path) as stage:
        for cluster in stage.clusters:
            admit(cluster)
            let_in(cluster, "r1", NEW)
            retire(cluster, FIRST_MEMBER_ROLES)

        async def expand() -> tuple[Decision, set[str]]:
            operator = LaterOperator(stage.clusters, 2, term=2)
            try:
                return await operator.run(), operator.subscribers
            finally:
                await operator.close()

        assert asyncio.run(expand()) == (Settled(), {"caisson_replication_b"})


def test_a_member_that_has_diverged_rewinds_as_the_second_role_once_the_first_is_retired() -> None:
    """Control: without the rights that it has by way of the first, it may not."""
    assert GRANTS is not None
    with (
        running_clusters(1, {"wal_log_hints": "on", "wal_keep_size": "256MB"}) as (old,),
        running_standby(old, MEMBER) as new,
    ):
        with old.connect(dbname="postgres") as connection:
            connection.execute(GRANTS[0].encode())
            connection.execute("CREATE ROLE stranger LOGIN")
        let_in(old, "r1", NEW)
        retire(old, FIRST_MEMBER_ROLES)
        with old.connect() as connection:
            wanted = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        with new.connect() as connection:
            wait_for(lambda: connection.execute("SELECT pg_last_wal_replay_lsn() >= %s", wanted).fetchone() == (True,))
            connection.execute("SELECT pg_promote()")
            connection.execute("CHECKPOINT")
        with old.connect() as connection:
            connection.execute("CREATE TABLE that_is_lost ()")
        admit(new)
        old.stop()

        def rewind(role: str, password: str = "") -> str:
            source = new.dsn("postgres", role)
            done = run_as_owner(BINARIES / "pg_rewind", "-D", old.data, "--source-server", source, password=password)
            return done.stderr

        assert "permission denied" in rewind("stranger")
        assert "Done!" in rewind("caisson_rewind_b", "two")


def test_the_image_makes_four_roles_of_whom_none_is_let_in_yet(tmp_path: Path) -> None:
    """Patroni lets in those that the Secret names; the others wait for their turn, with the same rights."""
    with running_clusters(1, {"fsync": "off"}) as (cluster,):
        bootstrap(cluster, tmp_path)
        assert dict(read_own(cluster, "member_roles")) == dict.fromkeys(MEMBER_ROLES, RETIRED)
        rights = """SELECT has_function_privilege(%s, 'pg_read_binary_file(text)', 'EXECUTE'),
            has_database_privilege(%s, 'app', 'CONNECT'), pg_has_role(%s, 'pg_read_all_data', 'USAGE')"""
        with cluster.connect(dbname="postgres") as connection:
            found = [connection.execute(rights.encode(), (role,) * 3).fetchone() for role in MEMBER_ROLES]
        let_in(cluster, "r1", NEW)
        assert dict(read_own(cluster, "member_roles"))["caisson_rewind_b"] == "rotation r1"
    assert found == [(False, True, True)] * 2 + [(True, False, False)] * 2
