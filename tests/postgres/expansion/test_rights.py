"""An application, with the grants of the image and of the operator, can get past no part of the fence."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from caisson_operator.core.decisions import Settled
from caisson_operator.core.layout import APPLICATION_ROLE, FIRST_MEMBER_ROLES, Login
from caisson_operator.sharded_database.member_credentials import MemberRoles, RoleLogin
from caisson_operator.sharded_database.steps import LetIn
from postgres.clusters import Cluster, running_clusters
from postgres.expansion.driver import Operator
from postgres.expansion.image import bootstrap

LATER_ROLE = f"{APPLICATION_ROLE}_b"

# {leaf} of flights, {gate} of its bucket.
ALLOWED = (
    "SELECT owner, epoch FROM caisson.shard_map",
    "SELECT last_value FROM {gate}",
    "INSERT INTO flights VALUES ('N1', 1, 'x')",
    "UPDATE flights SET payload = 'y'",
    "DELETE FROM flights",
)
REFUSED = (
    "TRUNCATE flights",
    "TRUNCATE {leaf}",
    "TRUNCATE caisson.shard_map",
    "INSERT INTO caisson.shard_map VALUES ('aircraft', 99, 's0', 1)",
    "UPDATE caisson.shard_map SET owner = 's1'",
    "UPDATE caisson.shard_map SET epoch = epoch + 1",
    "DELETE FROM caisson.shard_map",
    "SELECT owner FROM caisson.shard_map FOR UPDATE",
    "UPDATE caisson.identity SET shard = 's1'",
    "UPDATE caisson.shards SET host = 'elsewhere'",
    "UPDATE caisson.tables SET buckets = 1",
    "UPDATE caisson.term SET term = 99",
    "SELECT caisson.enter_term(99)",
    "SELECT setval('{gate}', 99)",
    "SELECT nextval('{gate}')",
    "ALTER SEQUENCE {gate} RESTART 99",
    "DROP SEQUENCE {gate}",
    "ALTER TABLE {leaf} DISABLE TRIGGER caisson_moved",
    "ALTER TABLE {leaf} DISABLE TRIGGER ALL",
    "DROP TRIGGER caisson_moved ON {leaf}",
    "CREATE OR REPLACE FUNCTION caisson.moved() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "SET session_replication_role = replica",
    "ALTER TABLE flights DETACH PARTITION {leaf}",
    "DROP TABLE {leaf}",
    "DROP TABLE flights",
    "DROP TABLE caisson.shard_map",
    "DROP SCHEMA caisson CASCADE",
    "CREATE TABLE caisson.own ()",
    "CREATE FUNCTION caisson.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE public.own ()",
    "SET ROLE caisson_owner",
)
ROLES = "SELECT rolname FROM pg_roles WHERE pg_has_role(oid, %s, 'MEMBER') AND NOT rolsuper AND rolname !~ '^pg_'"
LEAF = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'public.flights'::regclass ORDER BY 1 LIMIT 1"
)
GATE = "SELECT format('caisson.%I', relname) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'caisson'::regnamespace AND relname LIKE '%aircraft%' ORDER BY 1 LIMIT 1"


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One that the image and then the operator have made, with nothing granted beside."""
    with running_clusters(1, {"fsync": "off"}) as clusters:
        bootstrap(clusters[0], tmp_path_factory.mktemp("credentials"))
        asyncio.run(make_shard(clusters))
        yield clusters[0]


async def make_shard(clusters: list[Cluster]) -> None:
    operator = Operator(clusters, 1)
    operator.actor.find_member_roles = lambda rotation: MemberRoles(*(RoleLogin(r, "pw") for r in FIRST_MEMBER_ROLES))
    try:
        assert await operator.run() == Settled()
        await operator.actor.act(LetIn("s0", Login(LATER_ROLE, "r1")))
    finally:
        await operator.close()


def read_one(cluster: Cluster, text: str) -> str:
    with cluster.connect() as connection:
        ((found,),) = connection.execute(text.encode()).fetchall()
    return str(found)


def attempt(cluster: Cluster, role: str, text: str) -> None:
    """As this role, in a transaction that is taken back."""
    names = {"leaf": read_one(cluster, LEAF), "gate": read_one(cluster, GATE)}
    with psycopg.connect(cluster.dsn(user=role)) as connection:
        connection.execute(text.format(**names).encode())
        connection.rollback()


def application_roles(cluster: Cluster) -> list[str]:
    with cluster.connect() as connection:
        return [name for (name,) in connection.execute(ROLES.encode(), (APPLICATION_ROLE,)).fetchall()]


@pytest.mark.parametrize("text", REFUSED)
def test_an_application_is_refused(shard: Cluster, text: str) -> None:
    for role in application_roles(shard):
        with pytest.raises(errors.InsufficientPrivilege):
            attempt(shard, role, text)


@pytest.mark.parametrize("text", ALLOWED)
def test_an_application_may_do_its_work(shard: Cluster, text: str) -> None:
    """Beside what is refused: the statements above reach what they mean."""
    for role in application_roles(shard):
        attempt(shard, role, text)


def test_the_roles_that_take_turns_are_all_the_applications(shard: Cluster) -> None:
    assert set(application_roles(shard)) == {APPLICATION_ROLE, LATER_ROLE}


@pytest.mark.parametrize("text", REFUSED)
def test_control_the_operator_is_not_refused(shard: Cluster, text: str) -> None:
    """Each is a statement that works, and only rights stand in its way."""
    attempt(shard, "postgres", text)
