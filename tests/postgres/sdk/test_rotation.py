"""Another password for the applications: no statement is refused, and the old one lets nobody in any more."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from caisson import ConfigurationError, ShardedDatabase
from caisson_operator.core.layout import FIRST_LOGIN, RETIRED, RETIRING, Login
from caisson_operator.effects.postgres.catalog import OWN
from caisson_operator.effects.postgres.logins import let_in, retire_role
from caisson_operator.effects.postgres.sessions import Connection
from postgres.clusters import Cluster, running_clusters

from .pair import wait_until
from .shards import Shards

NEXT = FIRST_LOGIN.follow("r1")
HBA = "host all caisson_app,caisson_app_b all scram-sha-256\nhost all,replication all all trust\n"
WHO = "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename LIKE 'caisson\\_app%' ORDER BY 1"


def password_of(login: Login) -> str:
    return f"pw {login.role} {login.rotation}"


@dataclass(frozen=True, slots=True)
class Database:
    """Two shards that want a password of applications, and the binding that is mounted."""

    shards: Shards
    binding: Path

    def notes(self) -> dict[str, str]:
        """As the operator reads them."""
        with self.shards.connect(0) as connection:
            return dict(connection.execute(OWN["logins"].encode()).fetchall())

    def on_every_shard(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        async def each(cluster: Cluster) -> None:
            async with await AsyncConnection.connect(cluster.dsn(), autocommit=True) as connection:
                await work(connection)

        for cluster in self.shards.clusters:
            asyncio.run(each(cluster))

    def let_in(self, login: Login) -> None:
        self.on_every_shard(lambda connection: let_in(connection, login, password_of(login)))

    def retire(self, role: str, grace_seconds: float = 0) -> None:
        self.on_every_shard(lambda connection: retire_role(connection, role, grace_seconds))

    def bind(self, login: Login) -> None:
        """What the kubelet does some time after the Secret has changed."""
        (self.binding / "username").write_text(login.role)
        (self.binding / "password").write_text(password_of(login))

    def end_sessions(self) -> None:
        for index in range(len(self.shards.clusters)):
            with self.shards.connect(index) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename LIKE 'caisson\\_app%'"
                )

    def users(self) -> set[str]:
        found: set[str] = set()
        for index in range(len(self.shards.clusters)):
            with self.shards.connect(index) as connection:
                found |= {row[0] for row in connection.execute(WHO).fetchall()}
        return found


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with running_clusters(2, {"fsync": "off"}) as clusters:
        shards = Shards(clusters)
        shards.install()
        for cluster in clusters:
            (cluster.data / "pg_hba.conf").write_text(HBA)
            with cluster.connect() as connection:
                connection.execute("SELECT pg_reload_conf()")
        addresses = [
            {"shard": a.shard, "host": a.host, "port": a.port, "read_host": a.read_host} for a in shards.addresses()
        ]
        entries = {"type": "postgresql", "host": "127.0.0.1", "database": "app", "shards": json.dumps(addresses)}
        for name, text in entries.items():
            (tmp_path / name).write_text(text)
        database = Database(shards, tmp_path)
        database.let_in(FIRST_LOGIN)
        database.bind(FIRST_LOGIN)
        yield database


def use(db: ShardedDatabase, number: int) -> None:
    """Keys of both shards; whatever is refused is raised."""
    for key in ("A", "B", "C", "D"):
        db.execute("INSERT INTO flights VALUES (%s, %s, 'x')", (key, number), key=key)
        assert db.fetch("SELECT payload FROM flights WHERE tailnum = %s AND id = %s", (key, number), key=key) == [
            ("x",)
        ]


def can_enter(database: Database, login: Login) -> bool:
    try:
        psycopg.connect(database.shards.clusters[0].dsn(user=login.role, password=password_of(login))).close()
    except psycopg.OperationalError:
        return False
    return True


def test_no_statement_is_refused_in_any_step_of_a_rotation(database: Database) -> None:
    """Sessions end again and again, so that each step is met by clients that must log in."""
    with ShardedDatabase.connect(binding=database.binding, timeout=20) as db:
        steps: list[Callable[[], None]] = [
            lambda: database.let_in(NEXT),
            lambda: database.bind(NEXT),
            lambda: database.retire(FIRST_LOGIN.role),
        ]
        use(db, 0)
        for number, step in enumerate(steps, start=1):
            step()
            use(db, 10 * number)
            database.end_sessions()
            use(db, 10 * number + 1)
        assert database.users() == {NEXT.role}
    assert not can_enter(database, FIRST_LOGIN)


def test_control_where_the_one_password_is_changed_clients_are_refused_until_they_hear_of_it(
    database: Database,
) -> None:
    """The role itself, without another to take its turn: the binding is still the old one."""
    with ShardedDatabase.connect(binding=database.binding, timeout=2) as db:
        database.let_in(Login(FIRST_LOGIN.role, "r1"))
        database.end_sessions()
        with pytest.raises(Exception, match="password authentication failed"):
            use(db, 1)


def test_sessions_outlive_the_password_that_they_came_with(database: Database) -> None:
    with ShardedDatabase.connect(binding=database.binding, timeout=20) as db:
        use(db, 0)
        database.let_in(NEXT)
        database.retire(FIRST_LOGIN.role)
        use(db, 1)
        assert database.users() == {FIRST_LOGIN.role}


def test_the_old_password_runs_out_and_not_before(database: Database) -> None:
    database.let_in(NEXT)
    database.retire(FIRST_LOGIN.role, grace_seconds=3600)
    assert can_enter(database, FIRST_LOGIN)
    assert database.notes() == {FIRST_LOGIN.role: RETIRING, NEXT.role: NEXT.mark}
    database.retire(FIRST_LOGIN.role)
    wait_until(lambda: not can_enter(database, FIRST_LOGIN))
    assert database.notes() == {FIRST_LOGIN.role: RETIRED, NEXT.role: NEXT.mark}
    with pytest.raises(ConfigurationError, match="no shard lets this client in"):
        ShardedDatabase.connect(binding=database.binding, timeout=20)


def test_the_roles_take_turns_for_ever(database: Database) -> None:
    login = FIRST_LOGIN
    with ShardedDatabase.connect(binding=database.binding, timeout=20) as db:
        for number in range(1, 4):
            old, login = login, login.follow(f"r{number}")
            database.let_in(login)
            database.bind(login)
            database.retire(old.role)
            database.end_sessions()
            use(db, number)
            assert (database.users(), can_enter(database, old)) == ({login.role}, False)


def test_the_second_role_may_do_what_the_first_may_and_no_more(database: Database) -> None:
    database.let_in(NEXT)
    with psycopg.connect(
        database.shards.clusters[0].dsn(user=NEXT.role, password=password_of(NEXT)), autocommit=True
    ) as it:
        it.execute("SELECT * FROM flights")
        for refused in ("CREATE TABLE public.mine ()", "TRUNCATE flights", "ALTER ROLE caisson_app PASSWORD 'x'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                it.execute(refused.encode())
