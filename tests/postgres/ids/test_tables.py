"""The tables of allocators: the same everywhere, made by whoever comes first, and enough for the applications' role."""

import threading
from pathlib import Path

import pytest

import caisson
from caisson.ids.clock import SECOND_NS
from postgres.clusters import running_clusters
from postgres.ids.test_allocator import Wall

ROOT = Path(__file__).resolve().parents[3]
OPERATOR = ROOT / "operator/caisson_operator/effects/postgres"


def test_the_operator_and_the_sdk_make_the_same_tables() -> None:
    assert (OPERATOR / "ids.sql").read_text() == (ROOT / "workloads/sdk/caisson/ids/ids.sql").read_text()


def test_many_who_come_first_make_them_once() -> None:
    with running_clusters(1) as (server,):
        failures: list[BaseException] = []

        def open_one() -> None:
            try:
                caisson.IdAllocator.connect(dsn=server.dsn(), space="demo/orders").close()
            except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells it
                failures.append(error)

        threads = [threading.Thread(target=open_one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures


def test_the_applications_role_needs_no_more_than_the_operator_gives_it() -> None:
    with running_clusters(1) as (server,):
        with server.connect() as raw:
            raw.execute((OPERATOR / "ids.sql").read_bytes() + (OPERATOR / "id_rights.sql").read_bytes())
            raw.execute("GRANT USAGE ON SCHEMA caisson TO caisson_app")
        for mode in ("snowflake", "segment"):
            with caisson.IdAllocator.connect(dsn=server.dsn(user="caisson_app"), space=mode, mode=mode) as ids:
                assert len(set(ids.take(5000))) == 5000


def test_tables_of_an_earlier_version_will_do_for_a_role_that_may_make_none(caplog: pytest.LogCaptureFixture) -> None:
    """Notes of clocks that went back have no place there, which stops nobody."""
    with running_clusters(1) as (server,):
        with server.connect() as raw:
            raw.execute((OPERATOR / "ids.sql").read_bytes() + (OPERATOR / "id_rights.sql").read_bytes())
            raw.execute("GRANT USAGE ON SCHEMA caisson TO caisson_app; DROP TABLE caisson.id_rollbacks")
        wall = Wall()
        with caisson.IdAllocator.connect(dsn=server.dsn(user="caisson_app"), clocks=wall.as_clocks()) as ids:
            ids.take(5000)
            wall.off_ns = -SECOND_NS // 2
            assert len(set(ids.take(5000))) == 5000
        assert "rollback_not_reported" in caplog.text
        with caisson.IdAllocator.connect(dsn=server.dsn()) as ids, server.connect() as raw:
            ids.next()
            assert raw.execute("SELECT count(*) FROM caisson.id_rollbacks").fetchone() == (0,), "not made by who may"


def test_a_role_that_may_not_make_them_is_told_so() -> None:
    with running_clusters(1) as (server,), pytest.raises(caisson.ConfigurationError, match="may not make them"):
        caisson.IdAllocator.connect(dsn=server.dsn(user="caisson_app"), space="demo/orders")
