"""What the plugin relies on in an API server. The real one and the one in memory are tested with the same sentences."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from kubectl_caisson.errors import KindMissing, NotFound
from kubectl_caisson.kube import Kube, Manifest, collection_path, database_path


@dataclass(frozen=True, slots=True)
class Server:
    kube: Kube
    put: Callable[[Manifest], object]
    namespace: str


def build_database(namespace: str, name: str = "flights") -> Manifest:
    return {
        "apiVersion": "caisson.dev/v1alpha1",
        "kind": "ShardedDatabase",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"colour": "red" if name == "flights" else "blue"},
        },
        "spec": {"shards": 2, "storage": {"size": "1Gi"}, "tables": [{"name": "planes", "key": ["tailnum"]}]},
    }


class KubeContract:
    """A subclass gives the fixture `there`."""

    def test_an_absent_object_is_told_apart_from_an_unknown_kind(self, there: Server) -> None:
        with pytest.raises(NotFound, match="nothing"):
            there.kube.get(database_path(there.namespace, "nothing"))
        with pytest.raises(KindMissing):
            there.kube.get(f"/apis/nobody.example/v1/namespaces/{there.namespace}/things/one")

    def test_a_list_is_of_one_namespace_or_of_all_and_follows_labels(self, there: Server) -> None:
        for name in ("flights", "trains"):
            there.put(build_database(there.namespace, name))
        collection = collection_path("caisson.dev/v1alpha1", "shardeddatabases", there.namespace)
        anywhere = collection_path("caisson.dev/v1alpha1", "shardeddatabases", None)
        assert names(there.kube.get(collection)) == ["flights", "trains"]
        assert names(there.kube.get(collection, {"labelSelector": "colour=blue"})) == ["trains"]
        assert "trains" in names(there.kube.get(anywhere, {"labelSelector": "colour=blue"}))
        nowhere = collection_path("caisson.dev/v1alpha1", "shardeddatabases", "no-such-namespace")
        assert names(there.kube.get(nowhere)) == []

    def test_a_merge_patch_changes_what_it_names_and_takes_away_what_is_none(self, there: Server) -> None:
        there.put(build_database(there.namespace))
        path = database_path(there.namespace, "flights")
        there.kube.merge_patch(path, {"metadata": {"annotations": {"a": "1", "b": "2"}}})
        changed = there.kube.merge_patch(path, {"metadata": {"annotations": {"a": None}}, "spec": {"shards": 3}})
        assert changed["metadata"]["annotations"]["b"] == "2"
        assert "a" not in there.kube.get(path)["metadata"]["annotations"]
        assert changed["spec"]["shards"] == 3
        assert changed["spec"]["storage"] == {"size": "1Gi"}

    def test_a_patch_makes_nothing(self, there: Server) -> None:
        with pytest.raises(NotFound):
            there.kube.merge_patch(database_path(there.namespace, "nothing"), {"spec": {"shards": 3}})


def names(answer: Manifest) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]
