"""Members' roles take turns on real servers: a standby in the hands of Patroni's own code, copies, rewinds, and nobody is refused.

The shard's side is the operator's own effects, the standby's the engine's own program over Patroni.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
import yaml

from caisson_operator.core.decisions import Decision, Settled, Step
from caisson_operator.core.layout import FIRST_MEMBER_ROLES, MEMBER_ROLES, REPLICATION_ROLES, RETIRED
from caisson_operator.effects.postgres.catalog import OWN, read_catalog
from caisson_operator.effects.postgres.member_roles import let_members_in, retire_member_roles
from caisson_operator.effects.postgres.sessions import Connection
from caisson_operator.sharded_database.observed import Objects
from fakes.mounts import mount
from postgres.clusters import BINARIES, SUPERUSER, Cluster, running_clusters, running_standby
from postgres.expansion.driver import Operator
from postgres.expansion.promotion import make_synchronous
from postgres.expansion.stage import set_stage

ROOT = Path(__file__).parents[3]
MEMBER = "s0-1"
SECONDS = 30
HBA = f"""
host replication {",".join(REPLICATION_ROLES)} all scram-sha-256
host all {",".join(MEMBER_ROLES)} all scram-sha-256
host all,replication all all trust
"""
OLD, NEW = dict.fromkeys(FIRST_MEMBER_ROLES, "one"), {"caisson_replication_b": "two", "caisson_rewind_b": "two"}
NAMES = {"replication_user": "caisson_replication_b", "rewind_user": "caisson_rewind_b"}
FIRST = {"replication": "one", "rewind": "one", "passfile": "A"}
PREPARED = {**FIRST, "coming_member_rotation": "r1", "coming_replication": "two", "coming_rewind": "two"}
ADOPTED = {"replication": "two", "rewind": "two", **NAMES, "passfile": "AB", "member_rotation": "r1", "previous_replication": "one"}  # fmt: skip
GRANTS = re.search(r"GRANT EXECUTE.*?;", (ROOT / "workloads/postgres/bootstrap.sql").read_text(), re.DOTALL)


def act(cluster: Cluster, what: Callable[[Connection], Any]) -> Any:
    """As the operator, through a session of its own."""

    async def run() -> Any:
        async with await psycopg.AsyncConnection.connect(cluster.dsn(), autocommit=True) as connection:
            return await what(connection)

    return asyncio.run(run())


def let_in(cluster: Cluster, rotation: str, passwords: dict[str, str]) -> None:
    for _ in range(2):  # safe to repeat
        act(cluster, lambda connection: let_members_in(connection, rotation, passwords))


def retire(cluster: Cluster, roles: tuple[str, ...]) -> None:
    for _ in range(2):
        act(cluster, lambda connection: retire_member_roles(connection, roles))


def read_own(cluster: Cluster, name: str) -> list[Any]:
    with cluster.connect() as connection:
        return connection.execute(OWN[name].encode()).fetchall()


def streams_as(cluster: Cluster) -> list[str]:
    """As the operator sees it."""
    found = act(cluster, lambda connection: read_catalog(connection, (), ()))
    return [user for *_, user in found.standbys]


def wait_for(what: Callable[[], bool], told: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)


def admit(cluster: Cluster) -> None:
    (cluster.data / "pg_hba.conf").write_text(HBA)
    with cluster.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
        wait_for(lambda: connection.execute("SELECT FROM pg_hba_file_rules WHERE auth_method = 'scram-sha-256'").rowcount == 2)  # fmt: skip


def can_log_in(cluster: Cluster, role: str, password: str) -> bool:
    try:
        psycopg.connect(cluster.dsn(user=role, password=password)).close()
    except psycopg.OperationalError:
        return False
    return True


def break_streams(cluster: Cluster) -> None:
    with cluster.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_replication")


def run_as_owner(*command: str | Path, password: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*become(), *map(str, command)], capture_output=True, text=True, cwd="/", env={**os.environ, "PGPASSWORD": password}
    )  # fmt: skip


def become() -> list[str]:
    return ["setpriv", "--reuid", SUPERUSER, "--regid", SUPERUSER, "--clear-groups"] if os.geteuid() == 0 else []


@contextmanager
def folder_of_owner() -> Iterator[Path]:
    with TemporaryDirectory(prefix="caisson-member-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, SUPERUSER, SUPERUSER)
        yield Path(name)


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


@dataclass(frozen=True)
class Standby:
    primary: Cluster
    cluster: Cluster
    folder: Path
    log: Path

    def mount(self, keys: dict[str, str]) -> None:
        mount(self.folder / "mount", keys)

    @property
    def told(self) -> str:
        return self.log.read_text()

    def wait_until_it_streams_as(self, role: str) -> None:
        wait_for(lambda: streams_as(self.primary) == [role], lambda: f"{self.told[-2000:]}{self.cluster.log[-3000:]}")


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


@contextmanager
def patroni(standby: Standby) -> Iterator[None]:
    primary = f"postgres://127.0.0.1:{standby.primary.port}/postgres"
    arguments = (standby.folder / "patroni.yml", standby.folder / "mount", standby.folder / "passfile", primary)
    arguments[0].write_text(yaml.safe_dump(configure(standby)))
    program = Path(__file__).with_name("patroni_standby.py")
    path = f"{ROOT}/workloads/postgres:{ROOT}/tests"
    with standby.log.open("w") as log:
        running = subprocess.Popen(
            [*become(), sys.executable, str(program), *map(str, arguments)],
            stdout=log, stderr=log, cwd="/", env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    try:
        yield
        assert running.poll() is None, standby.told
    finally:
        running.terminate()
        running.wait(20)


def configure(standby: Standby) -> dict[str, Any]:
    address = f"127.0.0.1:{standby.cluster.port}"
    return {
        "name": MEMBER,
        "scope": "s0",
        "listen": address,
        "connect_address": address,
        "data_dir": str(standby.cluster.data),
        "bin_dir": str(BINARIES),
        "pgpass": str(standby.folder / "pgpass"),
        "retry_timeout": 3,
        "parameters": {"wal_level": "logical"},
        "authentication": {
            "superuser": {"username": SUPERUSER},
            "replication": {"username": "caisson_replication", "password": "one"},
            "rewind": {"username": "caisson_rewind", "password": "one"},
        },
    }


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
    for name in ("owner", "app"):
        (tmp_path / name).write_text(f"pw-{name}")
    script = (ROOT / "workloads/postgres/bootstrap.sql").read_text().replace("/etc/caisson/credentials", str(tmp_path))
    (tmp_path / "bootstrap.sql").write_text(script)
    with running_clusters(1, {"fsync": "off"}) as (cluster,):
        with cluster.connect(dbname="postgres") as connection:
            connection.execute("DROP DATABASE app")
            for role in ("caisson_owner", "caisson_app", *FIRST_MEMBER_ROLES):
                connection.execute(f"DROP ROLE {role}".encode())
        command = (BINARIES / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", cluster.dsn("postgres"), "-f", tmp_path / "bootstrap.sql")  # fmt: skip
        subprocess.run([str(each) for each in command], check=True)
        assert dict(read_own(cluster, "member_roles")) == dict.fromkeys(MEMBER_ROLES, RETIRED)
        rights = """SELECT has_function_privilege(%s, 'pg_read_binary_file(text)', 'EXECUTE'),
            has_database_privilege(%s, 'app', 'CONNECT'), pg_has_role(%s, 'pg_read_all_data', 'USAGE')"""
        with cluster.connect(dbname="postgres") as connection:
            found = [connection.execute(rights.encode(), (role,) * 3).fetchone() for role in MEMBER_ROLES]
        let_in(cluster, "r1", NEW)
        assert dict(read_own(cluster, "member_roles"))["caisson_rewind_b"] == "rotation r1"
    assert found == [(False, True, True)] * 2 + [(True, False, False)] * 2
