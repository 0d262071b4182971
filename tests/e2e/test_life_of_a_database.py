"""Deleting and making again, and a namespace that goes while no operator runs."""

from collections.abc import Iterator

import pytest

from demo.application import Application
from demo.cluster import delete_namespace, get, get_all, kubectl, say, wait_for
from demo.database import KIND, Database, demo_spec
from demo.release import Images, scale_operator, wait_for_leader
from e2e.scene import PLANES

NAMESPACE = "e2e-life"
ROWS = 20_000
SPEC = demo_spec(shards=2, membersPerShard=1, durability="asynchronous", deletionPolicy="Retain")
LABELS = {"caisson.dev/database": "flights"}


@pytest.fixture(scope="module")
def database(namespace: str) -> Database:
    database = Database(namespace)
    database.apply(SPEC)
    database.wait_ready(240, 2)
    return database


@pytest.fixture
def _no_operator() -> Iterator[None]:
    scale_operator(0)
    yield
    scale_operator(2)
    wait_for_leader()


def test_a_database_made_again_under_its_name_has_every_row(database: Database, images: Images) -> None:
    application = Application(database.namespace, images.flights, ROWS)
    application.load(120, say)
    kubectl("delete", "sdb", database.name, "--wait=true", namespace=database.namespace)
    wait_for("its pods to go", lambda: not get_all("pods", database.namespace, LABELS), 90, database.explain)
    assert get(KIND, database.name, database.namespace) is None
    assert len(get_all("pvc", database.namespace, LABELS)) == 2
    assert get("secret", "flights-credentials", database.namespace) is not None
    database.apply(SPEC)
    database.wait_ready(240, 2)
    report = application.check_loaded(120)
    assert report["findings"] == []
    assert report["rows_found"] == ROWS + PLANES


@pytest.mark.usefixtures("_no_operator")
def test_a_namespace_goes_while_the_operator_is_down(database: Database) -> None:
    assert get(KIND, database.name, database.namespace) is not None
    delete_namespace(database.namespace, seconds=120)
    assert get("namespace", database.namespace) is None
