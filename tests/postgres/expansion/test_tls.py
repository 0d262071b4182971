"""The operator's sessions and the subscriptions between shards go over TLS, to servers of the database's authority alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from caisson_operator.sharded_database.access import Access
from caisson_operator.sharded_database.act_on_shards import ShardActor
from caisson_operator.sharded_database.credentials import build_credentials
from caisson_operator.sharded_database.manifests import DatabaseIdentity
from postgres.clusters import Cluster, running_clusters
from postgres.sdk.pair import wait_until
from postgres.tls import ANOTHER, AUTHORITY, NAME, TLS_ALONE, Server

FLIGHTS = DatabaseIdentity("flights", "demo", "0")
USES_TLS = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = %s"


@pytest.fixture
def server() -> Iterator[Server]:
    with running_clusters(1, {"fsync": "off"}) as clusters:
        server = Server(clusters[0])
        server.show(NAME)
        server.admit(TLS_ALONE)
        yield server


@pytest.fixture
def actor() -> ShardActor:
    access = Access(FLIGHTS, build_credentials(lambda name: name), AUTHORITY.certificate)
    return access.build_actor(1, lambda seconds: None)


def localize(conninfo: str, cluster: Cluster, **changes: Any) -> str:
    """The name that the certificate is for, in the place of the Service's."""
    assert conninfo_to_dict(conninfo)["host"] == "flights-s0.demo.svc"
    return make_conninfo(conninfo, host=NAME, port=cluster.port, **changes)


def test_the_operator_comes_over_tls_and_verifies_in_full(server: Server, actor: ShardActor) -> None:
    for conninfo in (actor.sessions.conninfo("s0"), actor.sessions.owner_conninfo("s0")):
        with psycopg.connect(localize(conninfo, server.cluster)) as connection:
            assert connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)


def test_the_operator_tells_its_password_to_nobody_else(server: Server, actor: ShardActor) -> None:
    server.show(NAME, authority=ANOTHER)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(localize(actor.sessions.conninfo("s0"), server.cluster))
    server.show("flights-s1.demo.svc")
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        psycopg.connect(localize(actor.sessions.conninfo("s0"), server.cluster))


def test_a_subscription_comes_over_tls_and_refuses_another_authority(
    server: Server, actor: ShardActor, tmp_path: Path
) -> None:
    """With the conninfo of the room; only the place of the authority's file is another one here."""
    with server.cluster.connect() as source, running_clusters(1, {"fsync": "off"}) as (target,):
        source.execute("CREATE TABLE moved (id int PRIMARY KEY)")
        source.execute("CREATE PUBLICATION moved FOR TABLE moved")
        root = target.data / "ca.crt"
        root.write_text(AUTHORITY.certificate)
        nobodys = str(target.data / "none")  # else libpq looks in the home of whoever runs the tests
        conninfo = localize(actor.subscription_conninfo("s0"), server.cluster, sslrootcert=str(root), sslcert=nobodys)
        with target.connect() as connection:
            connection.execute("CREATE TABLE moved (id int PRIMARY KEY)")
            create = (
                f"CREATE SUBSCRIPTION moved CONNECTION '{conninfo.replace(chr(39), chr(39) * 2)}' PUBLICATION moved"
            )
            root.write_text(ANOTHER.certificate)
            with pytest.raises(psycopg.errors.ConnectionFailure, match="certificate verify failed"):
                connection.execute(create.encode())
            root.write_text(AUTHORITY.certificate)
            connection.execute(create.encode())
            answers: list[bool] = []  # one that comes to copy goes again

            def has_come() -> bool:
                (uses_tls,) = source.execute(USES_TLS, ("caisson_replication",)).fetchone() or (None,)
                answers.extend([] if uses_tls is None else [uses_tls])
                return bool(answers)

            wait_until(has_come)
            assert answers == [True]
            connection.execute("DROP SUBSCRIPTION moved")
