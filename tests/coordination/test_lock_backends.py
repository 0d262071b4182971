"""The facade on ZooKeeper and PostgreSQL, opened as an application opens it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from psycopg.conninfo import conninfo_to_dict

from caisson import DistributedLock
from caisson.errors import ConfigurationError, EpochNotRaised, LockLost, LockTimeout
from caisson.locks.zookeeper.layout import Space
from coordination.lock_contract import until
from coordination.zookeeper import Ensemble
from postgres.clusters import Cluster, running_clusters

SPACE = "tests/facade"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_clusters(1, {"fsync": "off"}) as (cluster,):
        yield cluster


@pytest.fixture(params=["zookeeper", "database"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "zookeeper":
        ensemble: Ensemble = request.getfixturevalue("zookeeper")
        return f"zookeeper://{ensemble.hosts}"
    target = conninfo_to_dict(request.getfixturevalue("cluster").dsn())
    return f"postgresql://{target['user']}@{target['host']}:{target['port']}/{target['dbname']}"


def test_a_lock_is_held_renewed_and_taken_away(url: str) -> None:
    with (
        DistributedLock.connect(url=url, space=SPACE, lease=2.0) as space,
        DistributedLock.connect(url=url, space=SPACE, lease=2.0) as other,
    ):
        with space.lock("a").hold(timeout=30) as held:
            first_lease = held.believed_until
            until(lambda: held.believed_until > first_lease)
            with pytest.raises(LockTimeout):
                other.lock("a").hold(timeout=0.1)
        with other.lock("a").hold(timeout=30) as later:
            assert later.token > held.token
        taken = space.lock("a").hold(timeout=30)
        other._keeper.store.force_release("a")
        until(lambda: not taken.is_valid)
        with pytest.raises(LockLost):
            taken.check()
        assert space._keeper.renew_once() > 0  # who has not let go of it yet is not asked about again and again
        with pytest.raises(LockLost):
            taken.release()
        with space.lock("a").hold(timeout=30) as again:
            assert again.token > taken.token


def test_readers_semaphores_and_several_locks_at_once(url: str) -> None:
    with DistributedLock.connect(url=url, space=f"{SPACE}-more", lease=6.0) as space:
        pair = space.read_write_lock("b")
        with pair.read.hold(timeout=30), space.semaphore("c", 2).hold(timeout=30), space.semaphore("c", 2).hold():
            assert space.semaphore("c", 2).try_hold() is None
        with space.multi_lock("x", "y").hold(timeout=30):
            pass


def write_binding(folder: Path, **entries: object) -> Path:
    folder.mkdir(exist_ok=True)
    for name, value in {"type": "caisson-lock", "space": SPACE, "lease_seconds": 6, **entries}.items():
        (folder / name).write_text(str(value))
    return folder


def test_a_binding_leads_to_an_ensemble_that_the_operator_has_opened(zookeeper: Ensemble, tmp_path: Path) -> None:
    binding = write_binding(tmp_path, backend="zookeeper", hosts=zookeeper.hosts, space="tests/bound")
    with DistributedLock.connect(binding=binding) as space:
        with pytest.raises(EpochNotRaised):
            space.lock("a").try_hold()
        client = KazooClient(zookeeper.hosts)
        client.start()
        paths = Space("tests/bound")
        client.create(paths.root, b"5", makepath=True)
        for path in paths.inner:
            client.create(path)
        client.stop()
        held = space.lock("a").hold(timeout=30)
        assert held.token >> 40 >= 5


def test_a_binding_leads_to_a_database_that_the_operator_has_opened(cluster: Cluster, tmp_path: Path) -> None:
    target = conninfo_to_dict(cluster.dsn())
    entries = {"host": target["host"], "port": target["port"], "database": target["dbname"], "username": target["user"]}
    binding = write_binding(tmp_path, backend="database", space="tests/bound", password="", **entries)
    with DistributedLock.connect(
        url=f"postgresql://{target['user']}@{target['host']}:{target['port']}/app"
    ) as any_space:
        any_space.lock("a").hold(timeout=30).release()
    with DistributedLock.connect(binding=binding) as space:
        with pytest.raises(EpochNotRaised):
            space.lock("a").try_hold()
        with cluster.connect() as connection:
            connection.execute("SELECT caisson.lock_open('tests/bound', true, 5)")
        assert space.lock("a").hold(timeout=30).token >> 40 >= 5


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="zookeeper://"):
        DistributedLock.connect(url="http://somewhere")
