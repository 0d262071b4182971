"""Whole operators as processes, with the smallest of rooms, on a real API server: watch, reconcile, hand over, health."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from api.apiserver import REPOSITORY, ApiServer
from api.deaf_relay import DeafRelay
from api.test_rules import changed, database
from caisson_operator.telemetry.health import CANARY_SILENCE_SECONDS
from ports import free_port

PATIENCE_SECONDS = 60.0
CANARY_AGE = 'caisson_watch_last_event_age_seconds{kind="ConfigMap"}'


def wait_for(what: str, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(0.1)


class Operators:
    """Replicas of one operator in one namespace."""

    def __init__(self, server: ApiServer, namespace: str, logs: Path) -> None:
        self.server, self.namespace, self.logs = server, namespace, logs
        self.kubeconfig = server.kubeconfig
        self.running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}

    def start(self, name: str, **settings: str) -> None:
        port = free_port()
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": f"{REPOSITORY / 'operator'}:{REPOSITORY / 'tests'}",
            "CAISSON_NAMESPACE": self.namespace,
            "CAISSON_POD_NAME": name,
            "CAISSON_POSTGRES_IMAGE": "postgres:test",
            "CAISSON_REDIS_IMAGE": "redis:test",
            "CAISSON_ZOOKEEPER_IMAGE": "zookeeper:test",
            "CAISSON_IDS_IMAGE": "ids:test",
            "CAISSON_LEASE_SECONDS": "4,3,0.5",
            "CAISSON_HTTP_PORT": str(port),
            **settings,
        }
        with (self.logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "api.counting_room"], env=environment, stderr=log, cwd=self.logs
            )
        self.running[name] = (process, port)

    def go_through(self, port: int) -> int:
        """Have the next ones talk to this port of loopback. Returns that of the API server."""
        config = yaml.safe_load(self.server.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        host, _, behind = cluster["server"].rpartition(":")
        cluster["server"] = f"{host}:{port}"
        self.kubeconfig = self.logs / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(config))
        return int(behind)

    def use_account(self, account: str) -> None:
        """Run the next ones with the rights of this service account of the namespace, and no more."""
        token = self.server.kubectl("create", "token", account, "-n", self.namespace).strip()
        config = yaml.safe_load(self.server.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        self.kubeconfig = self.logs / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        process, _ = self.running[name]
        process.send_signal(number)
        return process.wait(PATIENCE_SECONDS)

    def ask(self, name: str, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.running[name][1]}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError:
            return 0, ""

    def leads(self, name: str) -> bool:
        return "caisson_operator_is_leader 1.0" in self.ask(name, "/metrics")[1]

    def holder(self) -> str:
        lease = self.server.get("lease", "caisson-operator", "-n", self.namespace)
        return str(lease["spec"].get("holderIdentity", ""))

    def end(self) -> None:
        for process, _ in self.running.values():
            process.kill()
            process.wait()


@pytest.fixture
def operators(server: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Operators]:
    replicas = Operators(server, namespace, tmp_path)
    yield replicas
    replicas.end()


def shard_count(server: ApiServer, namespace: str) -> int:
    count: int = server.get("sdb", "flights", "-n", namespace).get("status", {}).get("shardCount", -1)
    return count


def read_term(server: ApiServer, namespace: str) -> int:
    return int(server.get("service", "flights", "-n", namespace)["metadata"]["annotations"]["term"])


def test_follows_a_resource_from_its_making_to_its_end(server: ApiServer, namespace: str, operators: Operators) -> None:
    operators.start("one")
    wait_for("a leader", lambda: operators.leads("one"))
    server.kubectl("create", "-f", "-", stdin=database(namespace, changed(shards=2)))
    wait_for("two shards", lambda: shard_count(server, namespace) == 2)
    server.kubectl("scale", "-n", namespace, "sdb/flights", "--replicas=5")
    wait_for("five shards", lambda: shard_count(server, namespace) == 5)
    found = server.get("sdb", "flights", "-n", namespace)
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    assert "finalizers" not in found["metadata"]
    events = server.get("events", "-n", namespace)["items"]
    assert "Counted" in {event["reason"] for event in events if event["involvedObject"]["name"] == "flights"}
    server.kubectl("delete", "sdb", "flights", "-n", namespace, "--timeout=10s")
    assert operators.stop("one") == 0


def test_a_stopped_leader_hands_over_and_a_killed_one_is_followed(
    server: ApiServer, namespace: str, operators: Operators
) -> None:
    operators.start("one")
    wait_for("one to lead", lambda: operators.leads("one"))
    operators.start("two")
    wait_for("two to be ready", lambda: operators.ask("two", "/readyz")[0] == 200)
    assert not operators.leads("two")
    assert operators.ask("two", "/healthz") == (200, "ok")

    assert operators.stop("one") == 0
    wait_for("two to lead", lambda: operators.leads("two"))
    assert operators.holder() == "two"

    server.kubectl("create", "-f", "-", stdin=database(namespace, changed(shards=2)))
    wait_for("two shards", lambda: shard_count(server, namespace) == 2)
    first_term = read_term(server, namespace)
    operators.stop("two", signal.SIGKILL)
    operators.start("three")
    wait_for("three to lead", lambda: operators.leads("three"))
    server.kubectl("scale", "-n", namespace, "sdb/flights", "--replicas=3")
    wait_for("three shards", lambda: shard_count(server, namespace) == 3)
    assert read_term(server, namespace) > first_term


def test_a_passive_replica_stops_when_it_is_told_to(operators: Operators) -> None:
    operators.start("one")
    wait_for("one to lead", lambda: operators.leads("one"))
    operators.start("two")
    wait_for("two to be ready", lambda: operators.ask("two", "/readyz")[0] == 200)
    assert operators.stop("two") == 0
    assert operators.holder() == "one"


def test_the_leader_hears_its_canary(server: ApiServer, namespace: str, operators: Operators) -> None:
    operators.start("one")
    wait_for("the canary", lambda: CANARY_AGE in operators.ask("one", "/metrics")[1])
    assert server.get("configmap", "caisson-canary", "-n", namespace)["data"]["holder"] == "one"
    assert operators.ask("one", "/healthz") == (200, "ok")


def test_a_leader_whose_watches_have_gone_deaf_says_so_while_it_still_holds_the_lease(
    server: ApiServer, namespace: str, operators: Operators
) -> None:
    """The requests of its Lease and its canary are answered; only what comes unasked is lost, as on a dead connection."""
    relay = DeafRelay()
    relay.port_behind = operators.go_through(relay.port)
    try:
        operators.start("one")
        wait_for("the canary", lambda: CANARY_AGE in operators.ask("one", "/metrics")[1])
        assert operators.ask("one", "/healthz") == (200, "ok")
        relay.deafen()
        silence = CANARY_SILENCE_SECONDS + PATIENCE_SECONDS
        wait_for("its complaint", lambda: operators.ask("one", "/healthz")[0] == 503, silence)
        assert "the watch is deaf" in operators.ask("one", "/healthz")[1]
        assert operators.leads("one")
        assert operators.holder() == "one"
    finally:
        relay.close()


def install(server: ApiServer, namespace: str, *settings: str) -> None:
    arguments = [word for setting in ("crds.create=false", *settings) for word in ("--set", setting)]
    rendered = server.helm("template", "caisson", "charts/caisson", "--namespace", namespace, *arguments)
    assert rendered.code == 0, rendered.error
    server.apply_text(rendered.out)


def test_the_rights_that_the_chart_gives_in_one_namespace_are_enough(
    server: ApiServer, namespace: str, operators: Operators
) -> None:
    install(server, namespace)
    operators.use_account("caisson-operator")
    operators.start("one", CAISSON_WATCH_NAMESPACES=namespace, CAISSON_READS_NODES="true")
    wait_for("the canary", lambda: CANARY_AGE in operators.ask("one", "/metrics")[1])
    server.kubectl("create", "-f", "-", stdin=database(namespace, changed(shards=2)))
    wait_for("two shards", lambda: shard_count(server, namespace) == 2)
    assert "forbidden" not in (operators.logs / "one.log").read_text().lower()


def test_the_rights_that_the_chart_gives_cluster_wide_are_enough_anywhere(
    server: ApiServer, namespace: str, operators: Operators
) -> None:
    install(server, namespace, "clusterWide=true")
    operators.use_account("caisson-operator")
    operators.start("one", CAISSON_WATCH_NAMESPACES="*", CAISSON_READS_NODES="true")
    elsewhere = f"{namespace}-elsewhere"
    server.kubectl("create", "namespace", elsewhere)
    server.kubectl("create", "-f", "-", stdin=database(elsewhere, changed(shards=2)))
    wait_for("two shards", lambda: shard_count(server, elsewhere) == 2)
    assert "forbidden" not in (operators.logs / "one.log").read_text().lower()


def test_without_its_settings_it_says_which_is_missing() -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY / "operator")}
    command = [sys.executable, "-m", "caisson_operator"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/")
    assert done.returncode == 2
    assert "CAISSON_NAMESPACE is not set" in done.stderr
    shown = subprocess.run([*command, "--help"], env=environment, capture_output=True, text=True, cwd="/")
    assert shown.returncode == 0
    assert "CAISSON_WATCH_NAMESPACES" in shown.stdout
