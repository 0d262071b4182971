"""The tables of allocators: the same everywhere, made by whoever comes first, and enough for the applications' role."""

import threading
from pathlib import Path

import pytest

import caisson
from postgres.clusters import running_clusters

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


def test_a_role_that_may_not_make_them_is_told_so() -> None:
    with running_clusters(1) as (server,), pytest.raises(caisson.ConfigurationError, match="may not make them"):
        caisson.IdAllocator.connect(dsn=server.dsn(user="caisson_app"), space="demo/orders")
