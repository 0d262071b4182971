"""Servers that the tests of one module share."""

from collections.abc import Iterator

import pytest

from coordination.redis import Server, running_redis
from coordination.zookeeper import Ensemble, running_ensemble
from coordination.zookeeper_tls import Identity, make_identity


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis whose epoch was raised."""
    with running_redis() as server:
        server.raise_epoch(1)
        yield server


@pytest.fixture(scope="module")
def zookeeper() -> Iterator[Ensemble]:
    """One ZooKeeper server that no test breaks. Sessions of 0.2 s to 20 s."""
    with running_ensemble() as ensemble:
        yield ensemble


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """An authority, and servers' certificate of it."""
    return make_identity(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure_zookeeper(identity: Identity) -> Iterator[Ensemble]:
    """The same, over TLS."""
    with running_ensemble(tls=identity) as ensemble:
        yield ensemble
