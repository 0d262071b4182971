"""Lock spaces as the operator may find them."""

from datetime import UTC, datetime
from typing import Any

from caisson_operator.api.resource import load_distributed_lock
from caisson_operator.core.content import content_of, identity_of
from caisson_operator.core.lock_space import Holder, Lock, SpaceView
from caisson_operator.distributed_lock.manifests import build_binding
from caisson_operator.distributed_lock.observed import Observed
from caisson_operator.distributed_lock.wanted import Wanted, read_wanted

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ENTRIES = {"type": "zookeeper", "provider": "caisson", "hosts": "a:2181", "username": "caisson", "password": "secret"}
HELD = Lock("invoice:42", (Holder("host/1/x", "exclusive", 5 << 40 | 7, 90.5),), ("host/2/y",))
SPACE = SpaceView(True, 5, 0, 10, 4, (HELD, Lock("b", (Holder("h", "shared", 5 << 40 | 8, 3.0),), ())))


def wanted(type: str = "zookeeper", annotation: str | None = None, **spec: Any) -> Wanted:
    annotations = {"caisson.dev/release-lock": annotation} if annotation else {}
    metadata = {"name": "jobs", "namespace": "demo", "uid": "u1", "annotations": annotations}
    reference = {} if type == "database" else {"clusterRef": {"name": "zk"}}
    backend = {"type": type, **spec.pop("backend", reference)}
    return read_wanted(load_distributed_lock({"metadata": metadata, "spec": {"backend": backend, **spec}}))


def observed(asked: Wanted, space: SpaceView | None = SPACE, **more: Any) -> Observed:
    binding = build_binding(asked, ENTRIES)
    return Observed(NOW, {identity_of(binding): content_of(binding)}, ENTRIES, None, space, **more)
