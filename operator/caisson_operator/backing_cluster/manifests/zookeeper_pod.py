"""The pod of a ZooKeeper member. It has no token of Kubernetes: nothing in it asks the API server. Pure."""

from typing import Any

from caisson_operator.core.quantities import parse_quantity

from ..wanted import Wanted
from .names import ELECTION_PORT, PEER_PORT, ZOOKEEPER_PORT, Names
from .pod import DATA_PATH, build_container, build_identity, build_mounts, build_probe, build_spec

STOP_SECONDS = 30
MEBIBYTE = 1024 * 1024
DEFAULT_HEAP_MEGABYTES = 192


def build_zookeeper_pod(wanted: Wanted) -> dict[str, Any]:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    ensemble = {"name": "ensemble", "configMap": {"name": names.ensemble}}
    return build_spec(wanted, [_build_server(wanted)], [ensemble], STOP_SECONDS)


def _build_server(wanted: Wanted) -> dict[str, Any]:
    """Ready: it leads, or follows a leader. Alive: the process answers; without a quorum a restart would help nobody."""
    alive = ["zookeeper_member", "alive"]
    ports = {"client": ZOOKEEPER_PORT, "peer": PEER_PORT, "election": ELECTION_PORT}
    return build_container(
        "zookeeper",
        wanted,
        ["zookeeper_member", "run"],
        env=[*build_identity(wanted), {"name": "CAISSON_HEAP_MEGABYTES", "value": str(choose_heap_megabytes(wanted))}],
        ports=[{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
        resources={kind: dict(amounts) for kind, amounts in wanted.resources.items()},
        startupProbe=build_probe(alive, 3, 200),
        livenessProbe=build_probe(alive, 15, 4, timeout=10),
        readinessProbe=build_probe(["zookeeper_member", "ready"], 4, 3),
        volumeMounts=build_mounts(("data", DATA_PATH), ("ensemble", "/etc/caisson/ensemble")),
    )


def choose_heap_megabytes(wanted: Wanted) -> int:
    """Half of the memory that the container may use: Java needs about as much beside its heap in so small a process."""
    limit = wanted.resources.get("limits", {}).get("memory")
    return max(int(parse_quantity(limit) / MEBIBYTE / 2), 64) if limit else DEFAULT_HEAP_MEGABYTES
