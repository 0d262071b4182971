"""Servers of ids on kind, asked over HTTP from inside the cluster: one of them is killed, and so is the store."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from demo.cluster import CommandFailedError, apply, describe_namespace, get, get_all, kubectl, wait_for, wait_until_gone
from demo.database import Database, demo_spec
from demo.release import Images, operator_log

NAMESPACE = "e2e-ids"
KIND = "idallocator"
# Asks on a new connection each time, so that every server is asked; tells what it has had, again and again.
ASK = """
import json, ssl, sys, time, urllib.error, urllib.request
from pathlib import Path
from caisson.ids.layout import Layout
binding = Path("/bindings/server")
url, token = ((binding / name).read_text() for name in ("uri", "token"))
trust = ssl.create_default_context(cafile=binding / "ca.crt")
count, pause = int(sys.argv[1]), float(sys.argv[2])
def ask(**headers):
    request = urllib.request.Request(f"{url}/next?count={count}", headers=headers)
    with urllib.request.urlopen(request, timeout=5, context=trust) as response:
        return json.load(response)["ids"]
try:
    ask()
    stranger = 200
except urllib.error.HTTPError as error:
    stranger = error.code
try:
    urllib.request.urlopen(url.replace("https://", "http://") + "/next", timeout=5)
    plain = 200
except urllib.error.HTTPError as error:
    plain = error.code
seen, workers, doubled, refused, broken, told = set(), set(), 0, 0, 0, 0.0
while True:
    try:
        ids = ask(Authorization=f"Bearer {token}")
    except urllib.error.HTTPError:
        ids, refused = [], refused + 1
    except OSError:
        ids, broken = [], broken + 1
    doubled += len(ids) - len(set(ids) - seen)
    seen.update(ids)
    workers.update(Layout().decode(id).worker for id in ids)
    if time.monotonic() - told > 0.5:
        told = time.monotonic()
        print(json.dumps({"stranger": stranger, "plain": plain, "ids": len(seen), "doubled": doubled, "refused": refused,
                          "broken": broken, "workers": sorted(workers)[:50]}), flush=True)
    time.sleep(pause)
"""


def allocator(name: str, **spec: Any) -> str:
    metadata = {"name": name, "namespace": NAMESPACE}
    return json.dumps({"apiVersion": "caisson.dev/v1alpha1", "kind": "IdAllocator", "metadata": metadata, "spec": spec})


def asker(allocator: str, image: str, count: int, pause_seconds: float) -> str:
    """A pod as restricted as the Pod Security level asks for, which has the servers' binding alone."""
    container = {
        "name": "asker",
        "image": image,
        "command": ["python", "-c", ASK, str(count), str(pause_seconds)],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "binding", "mountPath": "/bindings/server", "readOnly": True}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "binding", "secret": {"secretName": f"{allocator}-id-server-binding"}}],
    }
    metadata = {"name": f"ask-{allocator}", "namespace": NAMESPACE}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def explain(name: str) -> Callable[[], str]:
    return lambda: "\n".join([json.dumps(get(KIND, name, NAMESPACE)), describe_namespace(NAMESPACE), operator_log()])


def status(name: str) -> dict[str, Any]:
    return (get(KIND, name, NAMESPACE) or {}).get("status") or {}


def wait_serving(name: str, servers: int) -> None:
    def serves() -> bool:
        ready = {each["type"]: each["status"] for each in status(name).get("conditions", ())}.get("Ready")
        return ready == "True" and status(name).get("server", {}).get("ready") == servers

    wait_for(f"{servers} servers of {name}", serves, 120, explain(name))


def told(name: str) -> dict[str, Any]:
    """What the asker told last; nothing while it does not run."""
    pod = get("pod", f"ask-{name}", NAMESPACE) or {}
    if pod.get("status", {}).get("phase") in (None, "Pending"):
        return {}
    lines = kubectl("logs", f"ask-{name}", "--tail=1", namespace=NAMESPACE).splitlines()
    return dict(json.loads(lines[-1])) if lines else {}


def wait_told(name: str, what: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    def probe() -> dict[str, Any] | None:
        last = told(name)
        return last if last and holds(last) else None

    return wait_for(what, probe, 90, lambda: f"{told(name)}\n{explain(name)()}")


def servers_of(name: str) -> list[dict[str, Any]]:
    return get_all("pods", NAMESPACE, {"caisson.dev/kind": "IdAllocator", "caisson.dev/name": name})


def kill(pod: str) -> None:
    kubectl("delete", "pod", pod, "--force", "--grace-period=0", "--wait=false", namespace=NAMESPACE)


@pytest.fixture(scope="module")
def database(namespace: str) -> Database:
    """One member, so that the store is away while it starts again. The namespace takes in restricted pods alone."""
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    database = Database(namespace)
    database.apply(demo_spec(shards=1, membersPerShard=1, durability="asynchronous", deletionPolicy="Delete"))
    database.wait_ready(240, 1)
    return database


def test_no_id_comes_twice_while_a_server_is_killed(database: Database, images: Images) -> None:
    backend = {"type": "database", "databaseRef": {"name": database.name}}
    apply(allocator("orders", mode="snowflake", backend=backend, server={"replicas": 2}))
    wait_serving("orders", 2)
    apply(asker("orders", images.flights, count=100, pause_seconds=0.02))
    before = wait_told("orders", "ids of both servers", lambda last: len(last["workers"]) == 2)
    assert (before["stranger"], before["plain"]) == (401, 400)
    kill(servers_of("orders")[0]["metadata"]["name"])
    after = wait_told("orders", "ids under a worker id leased anew", lambda last: len(last["workers"]) > 2)
    assert after["ids"] > before["ids"]
    assert after["doubled"] == 0
    wait_for(
        "worker ids to be counted", lambda: status("orders")["server"].get("workerIds") == 1024, 60, explain("orders")
    )
    assert status("orders")["server"]["leasedWorkerIds"] >= 2
    with pytest.raises(CommandFailedError, match="mode is fixed once the allocator is made"):
        kubectl("patch", KIND, "orders", "--type=merge", "-p", '{"spec": {"mode": "segment"}}', namespace=NAMESPACE)
    kubectl("delete", "pod", "ask-orders", "--wait=false", namespace=NAMESPACE)
    kubectl("delete", KIND, "orders", namespace=NAMESPACE)
    for kind, name in (
        ("deployment", "orders-id-server"),
        ("service", "orders-id-server"),
        ("poddisruptionbudget", "orders-id-server"),
        ("secret", "orders-id-server-binding"),
        ("secret", "orders-id-server-ca"),
        ("secret", "orders-id-server-tls"),
        ("secret", "orders-ids-binding"),
    ):
        wait_until_gone(kind, name, NAMESPACE)
    wait_for("its servers to be gone", lambda: not servers_of("orders"), 60)


def test_ranges_in_hand_outlast_the_store(database: Database, images: Images) -> None:
    backend = {"type": "database", "databaseRef": {"name": database.name}}
    # Four times what is asked for, for longer than a member takes to start again.
    segment = {"step": 1000, "ratedPerSecond": 200, "outage": "120s"}
    apply(allocator("tickets", mode="segment", backend=backend, segment=segment, server={"replicas": 2}))
    wait_serving("tickets", 2)
    apply(asker("tickets", images.flights, count=1, pause_seconds=0.02))
    before = wait_told("tickets", "the first ids", lambda last: last["ids"] > 50)
    primary = database.wait_primary("s0", 60)
    database.kill(primary)
    database.wait_primary("s0", 120, lambda found: found.uid != primary.uid)
    after = wait_told("tickets", "ids after the outage", lambda last: last["ids"] > before["ids"] + 50)
    assert {name: after[name] for name in ("doubled", "refused", "broken")} == {"doubled": 0, "refused": 0, "broken": 0}
    kubectl("delete", "pod", "ask-tickets", "--wait=false", namespace=NAMESPACE)
