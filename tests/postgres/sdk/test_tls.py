"""Whom the SDK believes: servers that show a certificate of the binding's authority, for the name that was asked for."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import caisson
from caisson import ConfigurationError, ShardedDatabase
from postgres.clusters import running_clusters
from postgres.tls import ANOTHER, ANY, AUTHORITY, NAME, TLS_ALONE, Server

from .pair import background, wait_until
from .shards import Shards

USES_TLS = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
NOTHING = "SELECT payload FROM flights WHERE tailnum = 'A'"


@pytest.fixture
def server() -> Iterator[Server]:
    with running_clusters(1, {"fsync": "off"}) as clusters:
        shards = Shards(clusters)
        shards.install(lambda group, bucket: 0)
        server = Server(clusters[0])
        server.show(NAME)
        server.admit(TLS_ALONE)
        yield server


@pytest.fixture
def binding(server: Server, tmp_path: Path) -> Path:
    """As the operator writes it."""
    shard = {"shard": "s0", "host": NAME, "port": server.cluster.port}
    entries = {
        "type": "postgresql",
        "host": NAME,
        "port": str(server.cluster.port),
        "database": "app",
        "username": "caisson_app",
        "password": "unused",
        "shards": json.dumps([shard]),
        "sslmode": "verify-full",
        "sslrootcert": "ca.crt",
        "ca.crt": AUTHORITY.certificate,
    }
    for name, text in entries.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@contextmanager
def connected(binding: Path) -> Iterator[ShardedDatabase]:
    with ShardedDatabase.connect(binding=binding, timeout=10) as database:
        yield database


def uses_tls(database: ShardedDatabase) -> bool:
    (result,) = database.scatter(USES_TLS, tables=[])
    return result.rows == [(True,)]


@pytest.mark.parametrize("taken_out", [(), ("sslmode", "sslrootcert")], ids=["told", "by the authority alone"])
def test_a_server_of_the_bindings_authority_is_believed(binding: Path, taken_out: tuple[str, ...]) -> None:
    for name in taken_out:
        (binding / name).unlink()
    with connected(binding) as database:
        assert uses_tls(database)


def test_a_server_of_another_authority_is_not(server: Server, binding: Path) -> None:
    server.show(NAME, authority=ANOTHER)
    with pytest.raises(ConfigurationError, match=r"localhost:\d+ is not trusted.*certificate verify failed"):
        ShardedDatabase.connect(binding=binding, timeout=30)


def test_a_server_of_another_name_is_not(server: Server, binding: Path) -> None:
    server.show("flights-s1.demo.svc")
    with pytest.raises(ConfigurationError, match=r"is not trusted.*does not match host name"):
        ShardedDatabase.connect(binding=binding, timeout=30)


def test_control_without_an_authority_in_the_binding_anybody_is_believed(server: Server, binding: Path) -> None:
    server.show("flights-s1.demo.svc", authority=ANOTHER)
    for name in ("sslmode", "sslrootcert", "ca.crt"):
        (binding / name).unlink()
    with connected(binding) as database:
        assert uses_tls(database)


def test_a_server_that_has_no_tls_is_not_believed(server: Server, binding: Path) -> None:
    server.admit(ANY)
    server.set("ssl", "off")
    with pytest.raises(ConfigurationError, match=r"is not trusted.*server does not support SSL"):
        ShardedDatabase.connect(binding=binding, timeout=30)


def test_who_comes_without_tls_hears_that_the_server_wants_it(server: Server) -> None:
    dsn = f"{server.cluster.dsn(user='caisson_app')} sslmode=disable"
    with pytest.raises(ConfigurationError, match=r"no encryption.*Take sslmode"):
        ShardedDatabase.connect(dsn=dsn, timeout=30)


def test_an_open_database_goes_on_when_the_server_shows_a_renewed_certificate(server: Server, binding: Path) -> None:
    with connected(binding) as database:
        server.show(NAME)
        assert uses_tls(database), "over a connection that was open already"
        with connected(binding) as another:
            assert uses_tls(another)


def test_what_the_binding_says_by_now_is_believed(server: Server, binding: Path) -> None:
    """Kubernetes rewrites the file where the database was made anew, with an authority of its own."""
    with connected(binding) as database:
        server.show(NAME, authority=ANOTHER)
        (binding / "ca.crt").write_text(ANOTHER.certificate)
        with connected(binding) as another:
            assert uses_tls(another)
        server.cluster.restart_immediate()
        wait_until(lambda: database.fetch("SELECT 1", key="A", table="flights") == [(1,)])


def test_a_name_that_leads_astray_for_a_moment_fails_no_statement(server: Server, binding: Path) -> None:
    """The address of a pod that is gone may have become another database's."""
    with connected(binding) as database:
        server.show(NAME, authority=ANOTHER)
        server.end_sessions()
        reading = background(lambda: database.fetch(NOTHING, key="A", timeout=60))
        wait_until(lambda: server.cluster.log.count("unknown ca") > 2)
        server.show(NAME)
        assert reading.result(60) == []


def test_a_statement_that_finds_nobody_to_trust_says_so_at_its_deadline(server: Server, binding: Path) -> None:
    with connected(binding) as database:
        server.show(NAME, authority=ANOTHER)
        server.end_sessions()
        with pytest.raises(caisson.Unavailable, match="is not trusted"):
            database.fetch(NOTHING, key="A", timeout=1)
