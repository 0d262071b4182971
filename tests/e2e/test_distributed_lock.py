"""Lock spaces on kind: in a database, and on a ZooKeeper of its own; seen and taken away by the plugin."""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from demo.cluster import apply, describe_namespace, environment, get, kubectl, say, wait_for, wait_until_gone
from demo.database import Database, demo_spec
from demo.release import Images, operator_log
from kubectl_caisson.__main__ import main

NAMESPACE = "e2e-lock"
KIND = "distributedlock"
LOCK = "invoice:42"
# Holds the lock until it is lost, and takes it again then.
HOLD = """
import json, sys, time
import caisson
with caisson.DistributedLock.connect("jobs") as locks:
    lock = locks.lock(sys.argv[1])
    try:
        with lock.hold(timeout=120) as held:
            print(json.dumps({"token": held.token}), flush=True)
            while held.is_valid:
                time.sleep(0.2)
    except caisson.LockLost:
        print(json.dumps({"lost": True}), flush=True)
    with lock.hold(timeout=120) as again:
        print(json.dumps({"token": again.token}), flush=True)
"""


def lock_space(name: str, **spec: Any) -> str:
    metadata = {"name": name, "namespace": NAMESPACE}
    return json.dumps(
        {"apiVersion": "caisson.dev/v1alpha1", "kind": "DistributedLock", "metadata": metadata, "spec": spec}
    )


def holder(name: str, image: str, space: str) -> str:
    """A pod that holds LOCK, as restricted as the Pod Security level asks for."""
    container = {
        "name": "holder",
        "image": image,
        "command": ["python", "-c", HOLD, LOCK],
        "env": [{"name": "SERVICE_BINDING_ROOT", "value": "/bindings"}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "binding", "mountPath": "/bindings/jobs", "readOnly": True}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "binding", "secret": {"secretName": f"{space}-lock"}}],
    }
    metadata = {"name": name, "namespace": NAMESPACE}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def explain(name: str) -> Callable[[], str]:
    return lambda: "\n".join([json.dumps(get(KIND, name, NAMESPACE)), describe_namespace(NAMESPACE), operator_log()])


def status(name: str) -> dict[str, Any]:
    return (get(KIND, name, NAMESPACE) or {}).get("status") or {}


def is_ready(name: str) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status(name).get("conditions", ()))


def said(pod: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in kubectl("logs", pod, namespace=NAMESPACE).splitlines() if line.startswith("{")]


def wait_said(pod: str, lines: int, space: str) -> list[dict[str, Any]]:
    wait_for(f"{pod} to run", lambda: phase(pod) in ("Running", "Succeeded"), 120, explain(space))
    return wait_for(
        f"{lines} lines of {pod}", lambda: said(pod) if len(said(pod)) >= lines else None, 120, explain(space)
    )


def phase(pod: str) -> str:
    return str((get("pod", pod, NAMESPACE) or {}).get("status", {}).get("phase"))


def plugin(*words: str) -> str:
    """What `kubectl caisson lock` says."""
    out = StringIO()
    with redirect_stdout(out):
        code = main(["lock", *words, "-n", NAMESPACE, "--kubeconfig", environment()["KUBECONFIG"]])
    assert code == 0, out.getvalue()
    return out.getvalue()


@pytest.fixture(scope="module")
def database(namespace: str) -> Database:
    database = Database(namespace)
    database.apply(demo_spec(shards=1, membersPerShard=1, durability="asynchronous", deletionPolicy="Delete"))
    database.wait_ready(240, 1)
    return database


def test_a_lock_in_a_database_is_held_seen_and_taken_away(database: Database, images: Images) -> None:
    apply(lock_space("jobs", backend={"type": "database", "databaseRef": {"name": database.name}}, lease="5s"))
    wait_for("the lock space to serve", lambda: is_ready("jobs"), 120, explain("jobs"))
    apply(holder("holder", images.flights, "jobs"))
    (first,) = wait_said("holder", 1, "jobs")
    wait_for("the operator to see it", lambda: status("jobs").get("held") == 1, 60, explain("jobs"))
    assert LOCK in plugin("list", "jobs")
    assert str(first["token"]) in plugin("show", "jobs", LOCK)
    say(plugin("release", "jobs", LOCK))
    _, lost, again = wait_said("holder", 3, "jobs")
    assert lost == {"lost": True}
    assert again["token"] > first["token"]
    assert status("jobs")["epoch"] == first["token"] >> 40
    assert status("jobs")["release"]["released"] == 1


def test_a_lock_space_brings_a_zookeeper_of_its_own_which_goes_with_it(namespace: str, images: Images) -> None:
    apply(lock_space("own", backend={"type": "zookeeper"}, lease="10s", deletionPolicy="Delete"))
    wait_for("the lock space to serve", lambda: is_ready("own"), 420, explain("own"))
    apply(holder("second", images.flights, "own"))
    (first,) = wait_said("second", 1, "own")
    wait_for("the operator to see it", lambda: status("own").get("held") == 1, 60, explain("own"))
    say(plugin("release", "own", LOCK))
    again = wait_said("second", 3, "own")[-1]
    assert again["token"] > first["token"]
    kubectl("delete", KIND, "own", namespace=namespace)
    wait_until_gone("backingcluster", "own-lock", namespace)
