"""Health, metrics and logs: what the kubelet, Prometheus and a reader of logs rely on."""

import json
import logging
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from caisson_operator.telemetry.health import Health
from caisson_operator.telemetry.logs import JsonFormatter, redact
from caisson_operator.telemetry.metrics import Metrics
from caisson_operator.telemetry.server import serve_telemetry
from caisson_operator.telemetry.watch_ages import WatchAges


@pytest.mark.parametrize(
    ("health", "is_alive"),
    [
        (Health(started_at=100), True),
        (Health(started_at=80), False),
        (Health(started_at=0, lease_heard_at=90), True),
        (Health(started_at=0, lease_heard_at=80), False),
        (Health(started_at=0, lease_heard_at=99, leads_since=50), True),
        (Health(started_at=0, lease_heard_at=99, leads_since=30), False),
        (Health(started_at=0, lease_heard_at=99, leads_since=10, canary_heard_at=50), True),
        (Health(started_at=0, lease_heard_at=99, leads_since=10, canary_heard_at=30), False),
        (Health(started_at=0, lease_heard_at=80, leads_since=10, canary_heard_at=99), False),
    ],
)
def test_a_replica_lives_while_it_hears(health: Health, is_alive: bool) -> None:
    assert (health.complaint(now=100) is None) is is_alive


def shard(name: str, timeline: int | None, ready: int = 2) -> dict[str, Any]:
    return {"name": name, "readyMembers": ready, **({"timeline": timeline} if timeline else {})}


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_shard_keeps_its_timeline_while_it_cannot_be_read() -> None:
    metrics = Metrics()
    for timeline in (3, None):
        metrics.databases.publish("demo/flights", {"shards": [shard("s0", timeline)]})
    of = {"database": "demo/flights", "shard": "s0"}
    assert sample(metrics, "caisson_shard_primary_epoch", **of) == 3
    assert sample(metrics, "caisson_shard_members_ready", **of) == 2


def test_the_end_of_a_certificate_is_told_as_long_as_there_is_the_shard() -> None:
    metrics, of = Metrics(), {"database": "demo/flights", "shard": "s0"}
    metrics.databases.publish(
        "demo/flights", {"shards": [shard("s0", 1) | {"certificateEnds": "1970-01-02T00:00:00Z"}]}
    )
    assert sample(metrics, "caisson_shard_certificate_end_seconds", **of) == 86400
    metrics.databases.forget("demo/flights")
    assert sample(metrics, "caisson_shard_certificate_end_seconds", **of) is None


FAILOVER = {"shard": "s0", "timelineBefore": 1, "cause": "PrimaryLost", "durationSeconds": 2.5}
LATER = {"shard": "s0", "timelineBefore": 2, "cause": "Switchover"}


def told(*failovers: dict[str, Any], blocked: str = "False", **found: Any) -> dict[str, Any]:
    """`found` are conditions beside it: Unprotected=("False", "WritesWait")."""
    given = {"FailoverBlocked": (blocked, "Told"), "Unprotected": ("False", "Protected"), **found}
    conditions = [{"type": name, "status": status, "reason": reason} for name, (status, reason) in given.items()]
    return {"conditions": conditions, "shards": [shard("s0", 1)], "failovers": list(failovers)}


def failovers(metrics: Metrics, reason: str) -> float | None:
    return sample(metrics, "caisson_failover_total", database="demo/flights", shard="s0", reason=reason)


def test_a_failover_is_counted_once_with_its_cause_and_its_duration() -> None:
    metrics = Metrics()
    statuses = [told(), told(FAILOVER), told(FAILOVER), told(LATER, FAILOVER)]
    for earlier, status in pairwise(statuses):
        metrics.databases.publish("demo/flights", status)
        metrics.databases.count("demo/flights", earlier, status)
    assert (failovers(metrics, "PrimaryLost"), failovers(metrics, "Switchover")) == (1, 1)
    assert sample(metrics, "caisson_failover_duration_seconds_sum", database="demo/flights") == 2.5
    assert sample(metrics, "caisson_failover_duration_seconds_count", database="demo/flights") == 1


def test_an_operator_that_starts_counts_no_old_failover_and_begins_at_nought() -> None:
    """A series that began with its first failover would show no rise."""
    metrics, status = Metrics(), told(LATER, FAILOVER)
    metrics.databases.publish("demo/flights", status)
    for earlier in (status, {}, {"conditions": [{"type": "Degraded", "status": "True"}]}):
        metrics.databases.count("demo/flights", earlier, status)
    assert (failovers(metrics, "PrimaryLost"), failovers(metrics, "Switchover")) == (0, 0)


AT = datetime(2026, 1, 1, 11, 59, 57, tzinfo=UTC)
SEEN = {**FAILOVER, "at": "2026-01-01T11:59:57Z"}


def last(metrics: Metrics, reason: str = "PrimaryLost") -> float | None:
    labels = {"database": "demo/flights", "shard": "s0", "reason": reason}
    return sample(metrics, "caisson_failover_last_time_seconds", **labels)


def test_a_failover_that_came_with_the_operators_own_is_seen_by_its_time() -> None:
    """Whoever takes over publishes and counts in one reconcile: the first scrape finds the counter risen already."""
    metrics = Metrics()
    metrics.databases.publish("demo/flights", told(SEEN))
    metrics.databases.count("demo/flights", told(), told(SEEN))
    assert failovers(metrics, "PrimaryLost") == 1, "the control: a series that begins with 1 has no rise"
    assert last(metrics) == AT.timestamp()
    assert last(metrics, "Switchover") is None


def test_of_several_failovers_of_one_cause_the_last_one_s_time_stands() -> None:
    metrics = Metrics()
    later = {**SEEN, "timelineBefore": 3, "at": "2026-01-01T12:00:07Z"}
    metrics.databases.publish("demo/flights", told(later, LATER, SEEN))
    assert last(metrics) == AT.timestamp() + 10
    metrics.databases.publish("demo/flights", told())
    assert last(metrics) == AT.timestamp() + 10, "a status that was deleted takes back nothing"
    metrics.databases.forget("demo/flights")
    assert last(metrics) is None


@pytest.mark.parametrize(
    ("unprotected", "waiting", "bare"),
    [(("False", "WritesWait"), 1, 0), (("True", "NoSynchronousStandby"), 0, 1), (("False", "Protected"), 0, 0)],
)
def test_a_strict_shard_whose_writes_wait_is_told_apart_from_one_that_is_unprotected(
    unprotected: tuple[str, str], waiting: int, bare: int
) -> None:
    metrics = Metrics()
    metrics.databases.publish("demo/flights", told(Unprotected=unprotected))
    metrics.databases.publish("demo/flights", {"conditions": [{"type": "Degraded", "status": "True"}]})
    assert sample(metrics, "caisson_writes_waiting", database="demo/flights") == waiting
    assert sample(metrics, "caisson_unprotected", database="demo/flights") == bare
    metrics.databases.forget("demo/flights")
    assert sample(metrics, "caisson_writes_waiting", database="demo/flights") is None


def test_a_member_whose_volume_is_gone_is_a_gauge_of_either_kind() -> None:
    metrics, lost = Metrics(), {"conditions": [{"type": "MemberLost", "status": "True", "reason": "VolumeGone"}]}
    metrics.databases.publish("demo/flights", told(MemberLost=("True", "VolumeGone")))
    metrics.of("BackingCluster").publish("demo/locks", lost)
    assert sample(metrics, "caisson_member_lost", database="demo/flights") == 1
    assert sample(metrics, "caisson_backing_member_lost", cluster="demo/locks") == 1
    metrics.databases.publish("demo/flights", told(MemberLost=("False", "NoneLost")))
    assert sample(metrics, "caisson_member_lost", database="demo/flights") == 0


def test_a_cause_that_is_not_known_is_counted_as_such() -> None:
    metrics = Metrics()
    metrics.databases.count("demo/flights", told(), told({"shard": "s0", "timelineBefore": 1}))
    assert failovers(metrics, "Unknown") == 1


def test_what_stands_in_the_way_of_a_failover_is_a_gauge_that_ends_with_the_database() -> None:
    metrics = Metrics()
    metrics.databases.publish("demo/flights", told(blocked="True"))
    assert sample(metrics, "caisson_failover_blocked", database="demo/flights") == 1
    assert sample(metrics, "caisson_unprotected", database="demo/flights") == 0
    metrics.databases.forget("demo/flights")
    assert sample(metrics, "caisson_failover_blocked", database="demo/flights") is None
    metrics.databases.forget("demo/flights")


def test_series_end_with_the_database() -> None:
    metrics = Metrics()
    metrics.databases.publish("demo/a", {"shards": [shard("s0", 1)], "expansion": {"id": 1, "phase": "Copying"}})
    metrics.databases.publish("demo/b", {"shards": [shard("s0", 1)]})
    metrics.databases.forget("demo/a")
    assert sample(metrics, "caisson_shard_members_ready", database="demo/a", shard="s0") is None
    assert sample(metrics, "caisson_shard_members_ready", database="demo/b", shard="s0") == 2
    assert sample(metrics, "caisson_expansion_phase", database="demo/a", phase="Copying") is None
    assert sample(metrics, "caisson_expansion_lag_bytes", database="demo/a") is None


def test_only_the_phase_that_is_stands_and_totals_become_counters() -> None:
    metrics = Metrics()
    for number, phase, rows in ((1, "Copying", 10), (1, "Copying", 30), (1, "Completed", 30), (2, "Copying", 5)):
        expansion = {"id": number, "phase": phase, "rowsCopied": rows, "buckets": {"total": 8, "moved": 2}}
        metrics.databases.publish("demo/a", {"expansion": expansion})
    assert sample(metrics, "caisson_expansion_phase", database="demo/a", phase="Completed") is None
    assert sample(metrics, "caisson_expansion_phase", database="demo/a", phase="Copying") == 1
    assert sample(metrics, "caisson_expansion_rows_copied_total", database="demo/a") == 35
    assert sample(metrics, "caisson_expansion_buckets", database="demo/a", state="moved") == 2


def test_the_age_of_a_watch_grows_by_itself() -> None:
    metrics, now = Metrics(), [10.0]
    ages = WatchAges(metrics, lambda: now[0])
    ages.heard("Pod")
    now[0] = 25.0
    assert sample(metrics, "caisson_watch_last_event_age_seconds", kind="Pod") == 15.0
    ages.heard("Pod")
    assert sample(metrics, "caisson_watch_last_event_age_seconds", kind="Pod") == 0.0


@pytest.mark.asyncio
async def test_the_server_tells_health_readiness_and_metrics() -> None:
    now, health = [0.0], Health(started_at=0.0)
    server = serve_telemetry(health, Metrics(), lambda: now[0], 0, "127.0.0.1")
    async with server as port, aiohttp.ClientSession() as session:

        async def ask(path: str) -> tuple[int, str]:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, await answer.text()

        assert await ask("/healthz") == (200, "ok")
        assert (await ask("/readyz"))[0] == 503
        health.lease_heard_at = 0.0
        assert (await ask("/readyz"))[0] == 200
        now[0] = 20.0
        assert await ask("/healthz") == (503, "the lease was last heard 20 s ago")
        assert "caisson_operator_is_leader 0.0" in (await ask("/metrics"))[1]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host=a password=hunter2 user=b", "host=a password=*** user=b"),
        ("password='a b' x", "password=*** x"),
        ("postgresql://app:hunter2@host/db", "postgresql://app:***@host/db"),
        ("CREATE ROLE a PASSWORD 'hunter2' LOGIN", "CREATE ROLE a PASSWORD *** LOGIN"),
        ("password authentication failed", "password authentication failed"),
        ("no secret here: a@b", "no secret here: a@b"),
    ],
)
def test_passwords_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_log_line_is_one_json_object_with_its_fields() -> None:
    record = logging.LogRecord("caisson", logging.INFO, "", 0, "step_done", None, None)
    record.fields = {"step": "Fence", "uri": "postgresql://u:secret@h"}
    entry = json.loads(JsonFormatter().format(record))
    assert (entry["event"], entry["level"], entry["step"]) == ("step_done", "info", "Fence")
    assert "secret" not in entry["uri"]
