"""No password of a database can be read in its servers' catalogs or statistics, not by a superuser either."""

import asyncio
from dataclasses import replace

from psycopg.conninfo import make_conninfo

from caisson_operator.core.decisions import Settled, Step
from caisson_operator.sharded_database.access import Access
from caisson_operator.sharded_database.credentials import build_credentials
from caisson_operator.sharded_database.manifests import DatabaseIdentity
from postgres.clusters import Cluster
from postgres.expansion.driver import Operator
from postgres.expansion.stage import Stage
from postgres.tls import AUTHORITY

SECRET = "secret-of"
ACCESS = Access(
    DatabaseIdentity("flights", "demo", "0"), build_credentials(lambda name: f"{SECRET}-{name}"), AUTHORITY.certificate
)
CATALOGS = """
SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND (relname ~ '^pg_stat_'
    OR relname IN ('pg_subscription', 'pg_user_mappings', 'pg_foreign_server', 'pg_authid', 'pg_shdescription', 'pg_settings'))
"""


def test_no_catalog_holds_a_password_at_any_step_of_an_expansion(stage: Stage) -> None:
    seen: dict[str, set[str]] = {}

    def look(step: Step) -> None:
        for cluster in stage.clusters:
            for catalog, rows in read_catalogs(cluster).items():
                seen.setdefault(catalog, set()).update(rows)

    operator = stage.operator(after_step=look)
    use_credentials_of_the_room(operator, stage)
    assert isinstance(asyncio.run(lead(operator)), Settled)
    assert any("passfile=" in row for row in seen["pg_subscription"]), "no subscription was seen"
    assert any("CREATE SUBSCRIPTION" in row for row in seen["pg_stat_activity"]), "no statement was seen"
    assert [(catalog, row) for catalog, rows in seen.items() for row in rows if SECRET in row] == []


def use_credentials_of_the_room(operator: Operator, stage: Stage) -> None:
    """What subscriptions connect with and applications log in with, but for where the servers are."""
    room = ACCESS.build_actor(operator.term, lambda seconds: None)

    def localize(shard: str) -> str:
        port = stage.clusters[int(shard[1:])].port
        return make_conninfo(
            room.subscription_conninfo(shard), host="127.0.0.1", port=port, sslmode="disable", sslrootcert=""
        )

    operator.actor = replace(operator.actor, subscription_conninfo=localize, build_password=room.build_password)


async def lead(operator: Operator) -> object:
    try:
        return await operator.run()
    finally:
        await operator.close()


def read_catalogs(cluster: Cluster) -> dict[str, set[str]]:
    with cluster.connect() as connection:
        names = [name for (name,) in connection.execute(CATALOGS).fetchall()]
        return {
            name: {row for (row,) in connection.execute(f"SELECT t::text FROM {name} AS t".encode()).fetchall()}
            for name in names
        }
