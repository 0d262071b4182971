"""Which events wake the room: what a reconcile would see, and not what Patroni and our own status write all the time."""

from typing import Any

import pytest

from caisson_operator.sharded_database.events import database_of
from caisson_operator.sharded_database.handlers import ChangeFilter


def pod(**status: Any) -> dict[str, Any]:
    labels = {"caisson.dev/database": "flights", "caisson.dev/role": status.pop("role", "replica")}
    annotations = {"status": status.pop("position", "1")}
    ready = {"type": "Ready", "status": status.pop("ready", "True")}
    metadata = {"name": "p", "namespace": "demo", "uid": "1", "labels": labels, "annotations": annotations}
    return {"kind": "Pod", "metadata": metadata, "status": {"phase": "Running", **status, "conditions": [ready]}}


def database(generation: int = 1, **rest: Any) -> dict[str, Any]:
    metadata = {"name": "flights", "namespace": "demo", "uid": "2", "generation": generation, **rest}
    return {"kind": "ShardedDatabase", "metadata": metadata, "status": {}}


@pytest.mark.parametrize(
    ("before", "after", "is_news"),
    [
        (pod(), pod(position="2"), False),
        (pod(), pod(role="primary"), True),
        (pod(), pod(ready="False"), True),
        (pod(), pod(phase="Failed"), True),
        (pod(), pod(podIP="10.0.0.7"), True),
        (database(), {**database(), "status": {"phase": "Ready"}}, False),
        (database(), database(generation=2), True),
        (database(), database(deletionTimestamp="now"), True),
        (database(), database(annotations={"caisson.dev/x": "1"}), True),
    ],
)
def test_only_what_matters_is_news(before: dict[str, Any], after: dict[str, Any], is_news: bool) -> None:
    changes = ChangeFilter()
    assert changes.is_news("ADDED", before)
    assert changes.is_news("MODIFIED", after) is is_news


def test_a_deletion_is_always_news_and_forgotten() -> None:
    changes = ChangeFilter()
    assert changes.is_news("ADDED", pod())
    assert changes.is_news("DELETED", pod())
    assert changes.is_news("ADDED", pod())


def test_the_name_comes_from_the_object_or_from_its_label() -> None:
    assert database_of(database()) == ("demo", "flights")
    assert database_of(pod()) == ("demo", "flights")
    assert database_of({"kind": "Pod", "metadata": {"namespace": "demo", "name": "other"}}) is None
