"""What is told of a cluster: roles and health of its members, a leader that is lost, and what becomes an Event."""

from dataclasses import replace
from typing import Any

from caisson_operator.backing_cluster.decide import decide
from caisson_operator.backing_cluster.news import find_leader_news
from caisson_operator.backing_cluster.observed import Epoch, Observed
from caisson_operator.backing_cluster.status import build_status
from caisson_operator.backing_cluster.wanted import Wanted
from caisson_operator.telemetry.metrics import Metrics
from fakes.backing_clusters import CERTIFICATE, NOW, apply_all, settled_redis, settled_zookeeper, want, zookeeper_view

REDIS, INDEPENDENT, ZOOKEEPER = want(), want(topology="independent"), want("zookeeper")


def tell(wanted: Wanted, observed: Observed) -> dict[str, Any]:
    status = build_status(wanted, observed, decide(wanted, observed))
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def condition(status: dict[str, Any], kind: str) -> tuple[str, str]:
    (found,) = [each for each in status["conditions"] if each["type"] == kind]
    return found["status"], found["reason"]


def test_tells_the_role_of_each_member_and_who_leads() -> None:
    status = tell(REDIS, settled_redis(REDIS, leader=1))
    assert (status["phase"], status["leader"], status["epoch"], status["memberCount"]) == ("Ready", "cache-1", 5, 3)
    assert [(member["name"], member["role"], member["ready"]) for member in status["members"]] == [
        ("cache-0", "replica", True),
        ("cache-1", "primary", True),
        ("cache-2", "replica", True),
    ]
    assert condition(status, "Ready") == ("True", "Serving")
    assert condition(status, "LeaderLost") == ("False", "LeaderServes")


def test_tells_the_modes_of_an_ensemble() -> None:
    status = tell(ZOOKEEPER, settled_zookeeper(ZOOKEEPER, leader=2))
    assert [member["role"] for member in status["members"]] == ["follower", "follower", "leader"]
    assert "epoch" not in status


def test_a_leader_that_is_gone_is_told_and_the_cluster_is_not_ready() -> None:
    seen = settled_redis(REDIS)
    gone = replace(seen, redis={name: view for name, view in seen.redis.items() if name != "cache-0"})
    status = tell(REDIS, gone)
    assert status["phase"] == "Degraded"
    assert "leader" not in status
    assert status["lastLeader"] == "cache-0"
    assert condition(status, "LeaderLost") == ("True", "LeaderLost")
    assert condition(status, "Ready")[0] == "False"


def test_a_cluster_that_is_being_made_has_lost_nobody() -> None:
    seen = replace(settled_redis(REDIS), redis={}, status={})
    status = tell(REDIS, seen)
    assert condition(status, "LeaderLost") == ("False", "NotLedYet")
    assert status["phase"] == "Provisioning"


def test_a_primary_without_replicas_takes_no_writes_and_that_is_told() -> None:
    seen = settled_redis(REDIS)
    alone = replace(seen, redis={**seen.redis, "cache-0": replace(seen.redis["cache-0"], replicas=0)})
    assert condition(tell(REDIS, alone), "Ready") == ("False", "TooFewReplicas")


def test_independent_primaries_are_ready_while_a_majority_serves() -> None:
    seen = settled_redis(INDEPENDENT)
    status = tell(INDEPENDENT, seen)
    assert [member["epoch"] for member in status["members"]] == [5, 5, 5]
    one_away = replace(seen, redis={name: view for name, view in seen.redis.items() if name != "cache-2"})
    assert condition(tell(INDEPENDENT, one_away), "Ready")[0] == "True"
    two_away = replace(seen, redis={"cache-0": seen.redis["cache-0"]})
    assert condition(tell(INDEPENDENT, two_away), "Ready") == ("False", "NoMajority")


def test_the_time_since_which_one_leads_stays_while_it_does() -> None:
    told = {"leader": "cache-0", "lastLeader": "cache-0", "epoch": 5, "leaderSince": "2025-01-01T00:00:00Z"}
    assert tell(REDIS, settled_redis(REDIS, status=told))["leaderSince"] == "2025-01-01T00:00:00Z"
    again = settled_redis(REDIS, status=told, epoch=Epoch(6, "cache-0"))
    assert tell(REDIS, again)["leaderSince"] == "2026-01-01T00:00:00Z"


def test_no_password_stands_in_a_status() -> None:
    text = repr(tell(REDIS, settled_redis(REDIS))) + repr(settled_redis(REDIS))
    assert "pass" not in text.replace("passwords", "")


def test_members_that_are_out_of_date_are_named() -> None:
    smaller = want(resources={"limits": {"memory": "64Mi"}})
    status = tell(smaller, apply_all(smaller, settled_redis(REDIS)))
    assert condition(status, "Updating") == ("True", "MembersOutdated")
    assert [member["updated"] for member in status["members"]] == [False] * 3


LED = {"leader": "cache-0", "lastLeader": "cache-0", "epoch": 5}
LOST = {"lastLeader": "cache-0", "epoch": 5}
FOLLOWED = {"leader": "cache-1", "lastLeader": "cache-1", "epoch": 6}
AGAIN = {**LED, "epoch": 6}


def notes(earlier: dict[str, Any], status: dict[str, Any]) -> list[str]:
    return [news.note for news in find_leader_news(earlier, status)]


def test_another_leader_is_news_once() -> None:
    assert notes({}, LED) == []
    assert notes(LED, LOST) == []
    assert notes(LOST, FOLLOWED) == ["cache-1 leads after cache-0 (epoch 5 to 6)"]
    assert notes(FOLLOWED, FOLLOWED) == []
    assert notes(LED, AGAIN) == ["cache-0 leads again (epoch 5 to 6)"]


def test_changes_of_the_leader_are_counted_and_its_loss_is_a_gauge() -> None:
    metrics = Metrics()
    backing = metrics.of("BackingCluster")
    for earlier, status in (({}, LED), (LED, LOST), (LOST, FOLLOWED), (FOLLOWED, FOLLOWED)):
        backing.publish("demo/cache", {**status, "conditions": [{"type": "LeaderLost", "status": "True"}]})
        backing.count("demo/cache", earlier, status)
    of = {"cluster": "demo/cache"}
    assert metrics.registry.get_sample_value("caisson_backing_leader_changes_total", of) == 1
    assert metrics.registry.get_sample_value("caisson_backing_leader_lost", of) == 1
    assert metrics.registry.get_sample_value("caisson_backing_epoch", of) == 6
    backing.forget("demo/cache")
    assert metrics.registry.get_sample_value("caisson_backing_epoch", of) is None


def test_tells_when_the_certificate_runs_out() -> None:
    metrics, of = Metrics(), {"cluster": "demo/cache"}
    backing = metrics.of("BackingCluster")
    backing.publish("demo/cache", tell(REDIS, settled_redis(REDIS)))
    end = metrics.registry.get_sample_value("caisson_backing_certificate_end_seconds", of)
    assert end == CERTIFICATE.not_after.timestamp()
    backing.forget("demo/cache")
    assert metrics.registry.get_sample_value("caisson_backing_certificate_end_seconds", of) is None
    backing.publish("demo/new", tell(REDIS, Observed(NOW)))
    backing.forget("demo/new")  # which never had one


def test_a_leaderless_ensemble_says_so() -> None:
    seen = settled_zookeeper(ZOOKEEPER, zookeeper={f"cache-{n}": zookeeper_view("") for n in range(3)})
    assert condition(tell(ZOOKEEPER, seen), "LeaderLost") == ("True", "LeaderLost")
