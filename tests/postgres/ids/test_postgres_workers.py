"""Worker ids in a real PostgreSQL keep the contract."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from caisson.binding import binding_reader
from caisson.ids.grants import WorkerStore
from caisson.ids.postgres_session import PostgresSession
from caisson.ids.postgres_workers import PostgresWorkers
from fakes.id_stores_contract import OpenStore, WorkerStoreContract
from postgres.clusters import Cluster


@pytest.fixture
def open_store(server: Cluster, space: str) -> Iterator[OpenStore]:
    with ExitStack() as stack:

        def open_one() -> WorkerStore:
            session = PostgresSession(binding_reader(None, None, server.dsn()))
            session.keep_space(space, "snowflake", "test")
            store = PostgresWorkers(session, space, workers=2)
            stack.callback(store.close)
            return store

        yield open_one


class TestPostgresWorkers(WorkerStoreContract):
    pass
