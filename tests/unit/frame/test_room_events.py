"""Which events wake the room: what a reconcile would see, and not what Patroni and our own status write all the time."""

from dataclasses import replace
from typing import Any

import kopf
import pytest

from caisson_operator.core.events import owner_of
from caisson_operator.handlers import ChangeFilter, Residents, register_handlers
from caisson_operator.kinds import KINDS
from caisson_operator.reconcile import Key
from caisson_operator.sharded_database.events import tell_member

NAME_LABELS = {kind.name: kind.name_label for kind in KINDS}
FLIGHTS = Key("ShardedDatabase", "demo", "flights")


def pod(**status: Any) -> dict[str, Any]:
    labels = {
        "caisson.dev/kind": "ShardedDatabase",
        "caisson.dev/database": "flights",
        "caisson.dev/role": status.pop("role", "replica"),
    }
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
    of_flights = ("ShardedDatabase", "demo", "flights")
    assert owner_of(database(), NAME_LABELS) == of_flights
    assert owner_of(pod(), NAME_LABELS) == of_flights


def labelled(**labels: str) -> dict[str, Any]:
    told = {f"caisson.dev/{name}": value for name, value in labels.items()}
    return {"kind": "Pod", "metadata": {"namespace": "demo", "name": "other", "labels": told}}


@pytest.mark.parametrize(
    ("stranger", "why"),
    [
        (labelled(), "no labels"),
        (labelled(database="flights"), "of no kind"),
        (labelled(kind="Zeppelin", name="flights"), "of a kind that nobody here knows"),
        (labelled(kind="ShardedDatabase", name="flights"), "named by the label of other kinds"),
    ],
)
def test_what_belongs_to_no_resource_of_ours_wakes_nobody(stranger: dict[str, Any], why: str) -> None:
    assert owner_of(stranger, NAME_LABELS) is None, why


def test_two_kinds_of_one_name_are_kept_apart() -> None:
    name_labels = {**NAME_LABELS, "BackingCluster": "caisson.dev/name"}
    mine = labelled(kind="BackingCluster", name="flights", database="other")
    assert owner_of(mine, name_labels) == ("BackingCluster", "demo", "flights")
    assert owner_of({**database(), "kind": "BackingCluster"}, name_labels) == ("BackingCluster", "demo", "flights")


def node(**spec: Any) -> dict[str, Any]:
    return {"kind": "Node", "metadata": {"name": "a", "uid": "3", "labels": {}}, "spec": spec}


def test_of_a_node_only_matters_whether_it_takes_pods() -> None:
    changes = ChangeFilter()
    assert changes.is_news("ADDED", node())
    assert not changes.is_news("MODIFIED", {**node(), "status": {"conditions": []}})
    assert changes.is_news("MODIFIED", node(unschedulable=True))


def test_a_setting_that_waits_for_a_restart_is_news() -> None:
    changes = ChangeFilter()
    assert changes.is_news("ADDED", pod(position='{"xlog_location": 1}'), tell_member)
    assert not changes.is_news("MODIFIED", pod(position='{"xlog_location": 2}'), tell_member)
    assert changes.is_news("MODIFIED", pod(position='{"xlog_location": 2, "pending_restart": true}'), tell_member)


def test_knows_whose_members_are_on_a_node() -> None:
    residents = Residents()
    placed = {**pod(), "spec": {"nodeName": "a"}}
    residents.note("ADDED", pod(), Key("ShardedDatabase", "demo", "waiting"))
    residents.note("MODIFIED", placed, FLIGHTS)
    assert residents.find("a") == {FLIGHTS}
    assert residents.find("b") == frozenset()
    residents.note("DELETED", placed, FLIGHTS)
    assert residents.find("a") == frozenset()


def test_children_are_watched_once_for_all_kinds_that_have_them() -> None:
    """kopf takes one selector for each plural: a second one would ask for both at once, and hear of nothing."""
    registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
    one, other = (replace(KINDS[0], name=name, plural=name.lower(), children=("pods",)) for name in ("One", "Other"))
    lone = replace(KINDS[0], name="Lone", plural="lones", children=("deployments",))
    register_handlers(registry, settings, (one, other, lone), lambda key: None, lambda kind: None, reads_nodes=False)
    assert settings.watching.label_selectors["pods"] == "caisson.dev/kind in (One,Other)"
    assert settings.watching.label_selectors["deployments"] == "caisson.dev/kind in (Lone)"
