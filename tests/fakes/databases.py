"""ShardedDatabases with a status, as the plugin may find them."""

import copy
from typing import Any

from fakes.kube_objects import FakeKube
from kubectl_caisson.kube import Manifest, database_path

STARTED = "2026-11-25T08:00:00Z"
HEALTHY = [
    {"type": "Ready", "status": "True", "reason": "ShardsReady", "message": "2 shards take reads and writes"},
    {"type": "Progressing", "status": "False", "reason": "AsWanted", "message": "what was asked for is there"},
    {"type": "SchemaApplied", "status": "True", "reason": "Applied", "message": "1 migrations are applied"},
    {"type": "Expanding", "status": "False", "reason": "NeverExpanded", "message": ""},
    {"type": "Degraded", "status": "False", "reason": "Healthy", "message": ""},
]
COPYING = {
    "id": 1,
    "phase": "Copying",
    "fromShards": 2,
    "toShards": 4,
    "switchGroups": {"total": 8, "copied": 2, "verified": 1, "switched": 0},
    "buckets": {"total": 32, "moved": 0},
    "rowsCopied": 123456,
    "rowsTotal": 493824,
    "copySecondsLeft": 720,
    "lagBytes": 2_500_000,
    "switchPauseMilliseconds": {"last": 0, "max": 0},
    "mismatches": 0,
    "startedAt": STARTED,
    "message": "2 switch groups are being copied",
}
FAILOVER = {
    "shard": "s0",
    "at": "2026-11-25T07:00:00Z",
    "from": "flights-s0-0",
    "to": "flights-s0-1",
    "timelineBefore": 1,
    "timelineAfter": 2,
    "durationSeconds": 2.4,
    "cause": "the primary's pod was deleted",
    "lost": 0,
}


def build_shard(name: str, buckets: int) -> dict[str, Any]:
    return {
        "name": name, "primary": f"flights-{name}-0", "timeline": 1, "members": 2, "readyMembers": 2, "buckets": buckets
    }  # fmt: skip


def build_database(name: str = "flights", /, **status: Any) -> Manifest:
    """Settled, with two shards of 32 buckets; `status` replaces fields of its status."""
    settled = {
        "observedGeneration": 3,
        "phase": "Ready",
        "shardCount": 2,
        "conditions": HEALTHY,
        "shards": [build_shard("s0", 32), build_shard("s1", 32)],
    }
    return copy.deepcopy(
        {
            "apiVersion": "caisson.dev/v1alpha1",
            "kind": "ShardedDatabase",
            "metadata": {"name": name, "namespace": "demo", "generation": 3},
            "spec": {
                "shards": 2,
                "membersPerShard": 2,
                "tables": [{"name": "planes", "key": ["tailnum"], "buckets": 64}],
            },
            "status": {**settled, **status},
        }
    )


def serve(*manifests: Manifest) -> FakeKube:
    kube = FakeKube()
    for manifest in manifests or (build_database(),):
        kube.put(manifest)
    return kube


PATH = database_path("demo", "flights")
