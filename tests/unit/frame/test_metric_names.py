"""The names that dashboards and alerts rely on, as an operator with one resource of each kind tells them over HTTP."""

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from caisson_operator.telemetry.health import Health
from caisson_operator.telemetry.metrics import Metrics
from caisson_operator.telemetry.server import serve_telemetry
from caisson_operator.telemetry.watch_ages import WatchAges

# Of a histogram the sum stands for all of its series. Those of topics and configurations come with their kinds; of ids, how many were
# given and how often a clock went back is told by the servers of ids (tests/unit/ids).
CONTRACT = {
    "caisson_reconcile_total": {"kind", "result"},
    "caisson_reconcile_duration_seconds_sum": {"kind"},
    "caisson_watch_last_event_age_seconds": {"kind"},
    "caisson_operator_is_leader": set(),
    "caisson_shard_primary_epoch": {"database", "shard"},
    "caisson_shard_members_ready": {"database", "shard"},
    "caisson_failover_total": {"database", "shard", "reason"},
    "caisson_failover_duration_seconds_sum": {"database"},
    "caisson_expansion_phase": {"database", "phase"},
    "caisson_expansion_buckets": {"database", "state"},
    "caisson_expansion_rows_copied_total": {"database"},
    "caisson_expansion_lag_bytes": {"database"},
    "caisson_expansion_switch_pause_seconds_sum": {"database"},
    "caisson_expansion_verify_mismatches_total": {"database"},
    "caisson_lock_held": {"lock"},
    "caisson_lock_wait_seconds": {"lock"},
    "caisson_lock_fencing_epoch": {"lock"},
}


def metrics_of_one_of_each() -> Metrics:
    metrics = Metrics()
    WatchAges(metrics, lambda: 0.0).heard("ShardedDatabase")
    metrics.reconciles.labels("ShardedDatabase", "ok").inc()
    metrics.reconcile_seconds.labels("ShardedDatabase").observe(0.1)
    shards = [{"name": "s0", "timeline": 1, "readyMembers": 2}]
    expansion = {"id": 1, "phase": "Copying", "buckets": {"total": 8, "moved": 2}}
    metrics.databases.publish("demo/flights", {"shards": shards, "expansion": expansion})
    metrics.databases.expansion.observe_switch_pause("demo/flights", 0.02)
    failover = {"shard": "s0", "timelineBefore": 1, "cause": "PrimaryLost", "durationSeconds": 2.5}
    condition = {"type": "FailoverBlocked", "status": "False"}
    metrics.databases.count("demo/flights", {"conditions": [condition]}, {"failovers": [failover]})
    metrics.of("DistributedLock").publish("demo/jobs", {"epoch": 1})
    return metrics


@pytest.mark.asyncio
async def test_metrics_have_the_names_and_labels_of_the_contract() -> None:
    server = serve_telemetry(Health(started_at=0.0), metrics_of_one_of_each(), lambda: 0.0, 0, "127.0.0.1")
    async with (
        server as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        told = text_string_to_metric_families(await answer.text())
    found = {sample.name: set(sample.labels) for family in told for sample in family.samples}
    assert {name: found.get(name) for name in CONTRACT} == CONTRACT
