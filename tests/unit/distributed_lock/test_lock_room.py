"""What the operator decides about a lock space, and what it tells of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from caisson_operator.core.backend import BackendSeen
from caisson_operator.core.conditions import ConditionStatus
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait
from caisson_operator.core.lock_space import Holder, Lock, SpaceView
from caisson_operator.core.objects import read_secret
from caisson_operator.distributed_lock import steps
from caisson_operator.distributed_lock.backends import judge
from caisson_operator.distributed_lock.decide import UNSEEN_EPOCHS, WATCHING, decide
from caisson_operator.distributed_lock.manifests import build_binding, build_cluster
from caisson_operator.distributed_lock.status import build_status
from caisson_operator.distributed_lock.waits import find_longest_wait, note_waiting
from fakes.lock_spaces import ENTRIES, NOW, SPACE, observed, wanted


def step_of(decision: Decision) -> Any:
    assert isinstance(decision, Plan), decision
    (step,) = decision.steps
    return step


def cluster(ready: bool = True, owner: str = "", **spec: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True" if ready else "False", "reason": "NoLeader", "message": "none"}
    owners = [{"kind": "DistributedLock", "uid": owner}] if owner else []
    return {
        "metadata": {"name": "zk", "ownerReferences": owners},
        "spec": spec,
        "status": {"conditions": [condition], "binding": {"name": "zk-binding"}},
    }


@pytest.mark.parametrize(
    ("type", "found", "reason"),
    [
        ("zookeeper", None, "BackendNotFound"),
        ("zookeeper", cluster(type="redis"), "BackendWrongType"),
        ("redis", cluster(type="zookeeper"), "BackendWrongType"),
        ("redis", cluster(type="redis", topology="independent"), "BackendWrongType"),
        ("redlock", cluster(type="redis"), "BackendWrongType"),
        ("zookeeper", cluster(ready=False, type="zookeeper"), "BackendNotReady"),
        ("redis", {"metadata": {"name": "zk"}, "spec": {"type": "redis"}}, "BackendNotReady"),
        ("redlock", cluster(type="redis", topology="independent"), None),
        ("redis", cluster(type="redis"), None),
        ("zookeeper", cluster(type="zookeeper"), None),
    ],
)
def test_a_cluster_is_fit_or_the_reason_says_why_not(
    type: str, found: dict[str, Any] | None, reason: str | None
) -> None:
    trouble = judge(wanted(type), seen_as(found))
    if reason is None:
        assert trouble == Settled()
    else:
        assert isinstance(trouble, Wait | Refuse)
        assert trouble.reason == reason
        assert "zk" in trouble.message


def seen_as(manifest: dict[str, Any] | None) -> BackendSeen:
    """A resource whose binding is there if it names one."""
    has_binding = bool(manifest and (manifest.get("status") or {}).get("binding"))
    return BackendSeen(manifest, ENTRIES if has_binding else None)


def test_a_cluster_of_the_wrong_type_is_for_a_person_to_change() -> None:
    asked = wanted()
    trouble = judge(asked, seen_as(cluster(type="redis")))
    assert isinstance(trouble, Refuse)
    assert decide(asked, replace(observed(asked), trouble=trouble, space=None, entries=None)) == trouble
    assert (
        trouble.message
        == "BackingCluster zk is of type redis, and backend.type zookeeper needs zookeeper: name another one"
    )


def test_a_backend_that_does_not_serve_is_looked_at_again() -> None:
    asked = wanted()
    trouble = Wait("BackendNotReady", "BackingCluster zk: no member takes writes", 5.0)
    seen = replace(observed(asked), trouble=trouble, space=None, entries=None)
    decision = decide(asked, seen)
    assert isinstance(decision, Wait)
    status = build_status(asked, seen, decision)
    ready, backend, *_ = status.conditions
    assert (ready.status, ready.reason, backend.reason) == (ConditionStatus.FALSE, "BackendNotReady", "BackendNotReady")
    assert status.held is None


def test_a_database_and_a_secret_are_judged_too() -> None:
    by_database = wanted("database", backend={"databaseRef": {"name": "flights"}})
    missing = judge(by_database, BackendSeen())
    assert isinstance(missing, Wait)
    assert missing.message == "there is no ShardedDatabase flights in this namespace"
    assert judge(by_database, seen_as(cluster())) == Settled()
    by_secret = wanted("database", backend={"secretRef": {"name": "any"}})
    assert isinstance(judge(by_secret, BackendSeen(entries={"url": "postgresql://x"})), Refuse)
    assert judge(by_secret, BackendSeen(entries={"uri": "postgresql://u@h/d"})) == Settled()


def test_a_space_without_a_reference_gets_a_cluster_that_goes_with_it() -> None:
    asked = wanted("redlock", backend={})
    missing = judge(asked, BackendSeen())
    assert isinstance(missing, Wait)
    step = step_of(decide(asked, replace(observed(asked), trouble=missing, space=None, entries=None)))
    assert step == steps.Apply(build_cluster(asked))
    manifest = step.manifest
    assert manifest["metadata"]["name"] == "jobs-lock"
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert manifest["spec"]["topology"] == "independent"


def test_a_cluster_of_somebody_else_is_not_taken_for_its_own() -> None:
    asked = wanted(backend={})
    trouble = judge(asked, seen_as(cluster(type="zookeeper", owner="another")))
    assert isinstance(trouble, Refuse)
    assert trouble.reason == "NameTaken"
    assert judge(asked, seen_as(cluster(type="zookeeper", owner="u1"))) == Settled()


def test_a_space_that_is_new_is_opened_at_the_beginning() -> None:
    asked = wanted()
    assert step_of(decide(asked, observed(asked, SpaceView(is_open=False)))) == steps.OpenSpace(0)


def test_a_store_that_has_lost_its_data_is_lifted_above_all_that_was_told() -> None:
    asked = wanted()
    wiped = observed(asked, SpaceView(is_open=False), status={"epoch": 9})
    assert step_of(decide(asked, wiped)) == steps.OpenSpace(9 + UNSEEN_EPOCHS)


def test_a_store_that_was_put_back_is_lifted_too() -> None:
    asked = wanted()
    restored = observed(asked, SpaceView(True, epoch=4, base=1), status={"epoch": 9})
    step = step_of(decide(asked, restored))
    assert step.base - 1 + 4 > 9
    assert isinstance(decide(asked, observed(asked, SpaceView(True, epoch=9, base=1), status={"epoch": 9})), Wait)


def test_the_epoch_of_a_redis_is_left_to_its_agent() -> None:
    asked = wanted("redis")
    decision = decide(asked, observed(asked, SpaceView(is_open=False), status={"epoch": 9}))
    assert isinstance(decision, Wait)
    assert decision.reason == "EpochNotRaised"


def test_an_epoch_that_was_told_never_goes_down_in_the_status() -> None:
    asked = wanted()
    seen = observed(asked, SpaceView(True, epoch=4), status={"epoch": 9})
    assert build_status(asked, seen, decide(asked, seen)).epoch == 9


def test_the_binding_has_the_policy_and_all_that_the_backend_says() -> None:
    asked = wanted(lease="30s", fair=False, maxHold="10m")
    values = read_secret(build_binding(asked, ENTRIES))
    assert values == {
        "type": "caisson-lock",
        "provider": "caisson",
        "backend": "zookeeper",
        "space": "demo/jobs",
        "lease_seconds": "30",
        "fair": "false",
        "reentrant": "true",
        "fencing": "true",
        "max_hold_seconds": "600",
        "hosts": "a:2181",
        "username": "caisson",
        "password": "secret",
    }


def test_the_binding_of_a_redis_leads_there_over_tls() -> None:
    asked = wanted("redis", backend={"clusterRef": {"name": "cache"}})
    values = read_secret(build_binding(asked, {"type": "redis", "uri": "rediss://h", "ca.crt": "pem"}))
    assert (values["type"], values["uri"], values["ca.crt"]) == ("caisson-lock", "rediss://h", "pem")


def test_the_binding_of_a_database_leads_to_its_first_shard_only() -> None:
    asked = wanted("database", backend={"databaseRef": {"name": "flights"}})
    entries = {
        "type": "postgresql",
        "host": "h",
        "port": "5432",
        "uri": "postgresql://...",
        "shards": "[]",
        "ca.crt": "pem",
    }
    values = read_secret(build_binding(asked, entries))
    assert {key: values.get(key) for key in ("backend", "host", "ca.crt", "shards", "uri")} == {
        "backend": "database",
        "host": "h",
        "ca.crt": "pem",
        "shards": None,
        "uri": None,
    }


def test_a_binding_that_is_not_as_wanted_is_written() -> None:
    asked = wanted()
    step = step_of(decide(asked, replace(observed(asked), contents={})))
    assert step == steps.Apply(build_binding(asked, ENTRIES))


def test_a_space_that_serves_is_watched() -> None:
    asked = wanted()
    decision = decide(asked, observed(asked))
    assert isinstance(decision, Wait)
    assert decision.reason == WATCHING


def test_the_status_tells_what_is_held_and_waited_for() -> None:
    asked = wanted()
    seen = observed(asked, status={"granted": 2, "waited": 2}, longest_wait_seconds=61.0)
    status = build_status(asked, seen, decide(asked, seen))
    assert (status.held, status.waiting, status.longest_hold, status.longest_wait) == (2, 1, "1m30s", "1m1s")
    assert (status.epoch, status.granted, status.waited, status.contention) == (5, 10, 4, 25)
    assert [lock.name for lock in status.locks] == ["invoice:42", "b"]
    first = status.locks[0]
    assert (first.owner, first.token, first.waiting) == ("host/1/x", 5 << 40 | 7, 1)
    assert first.held_since == NOW - timedelta(seconds=90.5)
    assert status.conditions[0].status is ConditionStatus.TRUE


def test_of_many_locks_those_are_told_that_are_waited_for_most() -> None:
    locks = tuple(Lock(f"n{i}", (Holder("o", "exclusive", i, float(i)),), ("w",) * (i == 3)) for i in range(200))
    asked = wanted()
    seen = observed(asked, SpaceView(True, 5, locks=locks))
    status = build_status(asked, seen, decide(asked, seen))
    assert status.held == 200
    assert len(status.locks) == 50
    assert [lock.name for lock in status.locks[:3]] == ["n3", "n199", "n198"]


def test_no_password_stands_in_a_status_or_a_representation() -> None:
    asked = wanted()
    seen = observed(asked)
    assert "secret" not in repr(seen)
    assert "secret" not in build_status(asked, seen, decide(asked, seen)).model_dump_json()


def test_waiting_is_counted_from_when_it_was_seen_first() -> None:
    seen = note_waiting({}, SPACE, NOW)
    later = NOW + timedelta(seconds=30)
    seen = note_waiting(seen, SPACE, later)
    assert find_longest_wait(seen, later) == 30
    assert note_waiting(seen, SpaceView(True), later) == {}
