"""The fake store of worker ids keeps the contract of the real ones."""

import pytest

from caisson.ids.grants import WorkerStore
from fakes.id_stores import FakeCluster, FakeWorkers
from fakes.id_stores_contract import OpenStore, WorkerStoreContract, now_ms


@pytest.fixture
def open_store() -> OpenStore:
    cluster = FakeCluster(now_ms=now_ms())

    def open_one() -> WorkerStore:
        return FakeWorkers(cluster, worker_ids=2)

    return open_one


class TestFakeWorkers(WorkerStoreContract):
    pass
