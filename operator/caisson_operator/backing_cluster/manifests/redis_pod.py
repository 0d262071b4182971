"""The pod of a Redis member: the server, the agent that raises the epoch, and in a replicated cluster a Sentinel. Pure.

Only the agent has a token of Kubernetes, and with it the right to change two objects (rights.py).
"""

from typing import Any

from ..wanted import Wanted
from .names import REDIS_PORT, SENTINEL_PORT, Names
from .pod import DATA_PATH, build_container, build_identity, build_mounts, build_probe, build_spec, field_of_pod

# A primary hands over for up to 20 s before it is stopped (workloads/redis/redis_member/running.py).
STOP_SECONDS = 40
ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def build_redis_pod(wanted: Wanted) -> dict[str, Any]:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    containers = [_build_server(wanted), _build_agent(wanted)]
    if wanted.is_replicated:
        containers.append(_build_sentinel(wanted))
    pod = build_spec(wanted, containers, [_build_token()], STOP_SECONDS)
    return {"serviceAccountName": names.epoch, **pod}


def _build_environment(wanted: Wanted) -> list[dict[str, Any]]:
    topology = "replicated" if wanted.is_replicated else "independent"
    return [
        *build_identity(wanted),
        {"name": "CAISSON_TOPOLOGY", "value": topology},
        {"name": "CAISSON_FSYNC", "value": wanted.fsync},
    ]


def _build_server(wanted: Wanted) -> dict[str, Any]:
    """Ready: a primary, or a replica whose link to its primary is up. Alive: it answers, if only that it loads its data."""
    alive = ["redis_member", "alive"]
    return build_container(
        "redis",
        wanted,
        ["redis_member", "redis"],
        env=_build_environment(wanted),
        ports=[{"name": "redis", "containerPort": REDIS_PORT, "protocol": "TCP"}],
        resources={kind: dict(amounts) for kind, amounts in wanted.resources.items()},
        lifecycle={"preStop": {"exec": {"command": ["python3", "-m", "redis_member", "stop"]}}},
        startupProbe=build_probe(alive, 2, 300),
        livenessProbe=build_probe(alive, 15, 4, timeout=10),
        readinessProbe=build_probe(["redis_member", "ready"], 4, 3),
        volumeMounts=build_mounts(("data", DATA_PATH)),
    )


def _build_sentinel(wanted: Wanted) -> dict[str, Any]:
    alive = ["redis_member", "sentinel-alive"]
    return build_container(
        "sentinel",
        wanted,
        ["redis_member", "sentinel"],
        env=_build_environment(wanted),
        ports=[{"name": "sentinel", "containerPort": SENTINEL_PORT, "protocol": "TCP"}],
        resources={"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        startupProbe=build_probe(alive, 2, 60),
        livenessProbe=build_probe(alive, 20, 4, timeout=10),
        volumeMounts=build_mounts(("data", DATA_PATH)),
    )


def _build_agent(wanted: Wanted) -> dict[str, Any]:
    """No probe restarts it: silent, it only keeps a new primary from serving, which is what it is for."""
    token = {"name": "token", "mountPath": ACCOUNT_PATH, "readOnly": True}
    return build_container(
        "epoch",
        wanted,
        ["epoch_agent"],
        env=[*_build_environment(wanted), {"name": "CAISSON_POD_IP", "valueFrom": field_of_pod("status.podIP")}],
        resources={"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "64Mi"}},
        volumeMounts=[*build_mounts(), token],
    )


def _build_token() -> dict[str, Any]:
    return {
        "name": "token",
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            ],
        },
    }
