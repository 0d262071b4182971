"""Other passwords for the operator's own roles, on real servers that want one: open sessions go on, and new ones find their way."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

from caisson import ShardedDatabase
from caisson_operator.core.layout import OWNER_ROLE, SUPERUSER
from caisson_operator.effects.postgres.catalog import OWN
from caisson_operator.effects.postgres.logins import change_operator_passwords
from caisson_operator.effects.postgres.sessions import Sessions, fetch_value
from postgres.clusters import running_clusters

from .shards import Shards

HBA = "host all postgres,caisson_owner all scram-sha-256\nhost all,replication all all trust\n"
FIRST, SECOND = ("first-superuser", "first-owner"), ("second-superuser", "second-owner")
WHO = "SELECT session_user"


@pytest.fixture
def shards() -> Iterator[Shards]:
    """Two of them, with the passwords of the first day."""
    with running_clusters(2, {"fsync": "off"}) as clusters:
        shards = Shards(clusters)
        shards.install()
        for cluster in clusters:
            with cluster.connect() as connection:
                connection.execute(f"ALTER ROLE {SUPERUSER} PASSWORD '{FIRST[0]}'".encode())
                connection.execute(f"ALTER ROLE {OWNER_ROLE} PASSWORD '{FIRST[1]}'".encode())
                (cluster.data / "pg_hba.conf").write_text(HBA)
                connection.execute("SELECT pg_reload_conf()")
        yield shards


def open_sessions(shards: Shards, *passwords: tuple[str, str]) -> Sessions:
    """With these in turn."""

    def reach(user: str, password: str) -> Callable[[str], str]:
        return lambda shard: shards.clusters[int(shard[1:])].dsn(user=user, password=password)

    now, *others = [(reach(SUPERUSER, superuser), reach(OWNER_ROLE, owner)) for superuser, owner in passwords]
    return Sessions(*now, 1, others)


def work(shards: Shards, passwords: list[tuple[str, str]], what: Callable[[Sessions], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        sessions = open_sessions(shards, *passwords)
        try:
            return await what(sessions)
        finally:
            await sessions.close()

    return asyncio.run(run())


async def change(sessions: Sessions, shard: str) -> None:
    await change_operator_passwords(await sessions.get(shard), "r1", *SECOND)


async def ask_both(sessions: Sessions) -> list[str]:
    found = []
    for shard in ("s0", "s1"):
        found.append(await fetch_value(await sessions.open(shard), WHO))
        async with sessions.owner_session(shard) as owner:
            found.append(await fetch_value(owner, WHO))
    return found


BOTH = [SUPERUSER, OWNER_ROLE] * 2


def test_the_operator_comes_to_every_shard_at_every_step(shards: Shards) -> None:
    assert work(shards, [FIRST], ask_both) == BOTH
    assert work(shards, [FIRST, SECOND], ask_both) == BOTH, "what is coming is nowhere yet"
    work(shards, [FIRST, SECOND], lambda sessions: change(sessions, "s0"))
    assert work(shards, [FIRST, SECOND], ask_both) == BOTH, "one shard has it"
    work(shards, [FIRST, SECOND], lambda sessions: change(sessions, "s1"))
    assert work(shards, [FIRST, SECOND], ask_both) == BOTH
    assert work(shards, [SECOND, FIRST], ask_both) == BOTH
    assert work(shards, [SECOND], ask_both) == BOTH


def test_control_with_one_password_a_shard_is_locked_in_the_middle(shards: Shards) -> None:
    work(shards, [FIRST, SECOND], lambda sessions: change(sessions, "s0"))
    for passwords in (FIRST, SECOND):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            work(shards, [passwords], ask_both)


def test_sessions_that_are_open_go_on_and_the_old_password_lets_nobody_in(shards: Shards) -> None:
    async def run(sessions: Sessions) -> str:
        kept = await sessions.get("s0")
        for _ in range(2):  # safe to repeat
            await change(sessions, "s0")
        rows = await (await kept.execute(OWN["operator_rotation"].encode())).fetchall()
        return str(rows[0][0])

    assert work(shards, [FIRST], run) == "r1", "what the shard notes is read back, by the session of the first day"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(shards.clusters[0].dsn(password=FIRST[0]))


def test_both_or_none(shards: Shards) -> None:
    """A crash in the middle leaves both roles with what they had."""

    async def run(sessions: Sessions) -> None:
        connection = await sessions.get("s0")
        await connection.execute("CREATE ROLE another NOLOGIN")
        async with connection.transaction():
            await change_operator_passwords(connection, "r1", *SECOND)
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        work(shards, [FIRST], run)
    assert work(shards, [FIRST], ask_both) == BOTH


def test_a_server_that_is_away_is_told_at_once_and_not_asked_with_every_password(shards: Shards) -> None:
    """Whoever went on to the next would be let in: there it is not away."""

    def away(shard: str) -> str:
        return shards.clusters[0].dsn(user=SUPERUSER, password="x", port=1)

    def there(shard: str) -> str:
        return shards.clusters[0].dsn(user=SUPERUSER, password=FIRST[0])

    with pytest.raises(psycopg.OperationalError, match="refused"):
        asyncio.run(Sessions(away, away, 1, [(there, there)]).open("s0"))


def test_applications_notice_nothing(shards: Shards) -> None:
    with ShardedDatabase.connect(dsn=shards.dsn(), timeout=20) as db:
        for number, shard in enumerate(("s0", "s1")):
            work(shards, [FIRST, SECOND], partial(change, shard=shard))
            for key in ("A", "B", "C", "D"):
                db.execute("INSERT INTO flights VALUES (%s, %s, 'x')", (key, number), key=key)
