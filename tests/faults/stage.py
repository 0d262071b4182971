"""The shard that the faults happen to: made once, and waited for until it stands again after each round."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from demo.application import is_pod_ready
from demo.cluster import Resource, get, get_all, kubectl, wait_for
from demo.database import Database, Primary
from demo.release import scale_operator
from e2e.shards import query
from faults.checker import Promotions, Rows
from faults.nodes import Node, nodes
from faults.probes import provide_code
from faults.records import PINNED, SDK

T = TypeVar("T")

DECISION = re.compile(r",\d{3} (INFO|WARNING|ERROR): (?!Lock owner|Got response|Retrying|Request to)")
SHARD = "s0"
READY_SECONDS, STEADY_SECONDS, SETTINGS_SECONDS = 240, 180, 60
MEMBER, AGENT = "postgresql", "early-expiry"
SCHEMA = """
    CREATE TABLE writes (
      key text NOT NULL, number bigint NOT NULL, attempt uuid NOT NULL DEFAULT gen_random_uuid(),
      PRIMARY KEY (key, number, attempt)
    ) PARTITION BY HASH (key);
"""
STREAMING = "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ({})"
ROWS = "SELECT key, number, count(*) FROM writes WHERE key IN ('{0}-{1}', '{0}-{2}') GROUP BY 1, 2"
PROMOTIONS = (
    # The time of a file is told in whole seconds: at the end of that one the promotion was there for certain.
    "SELECT ('x' || left(name, 8))::bit(32)::int, extract(epoch FROM modification) + 1 FROM pg_ls_waldir()"
    " WHERE name LIKE '%.history'"
)
# What Patroni does where nobody has told it otherwise, and PostgreSQL too as far as it notices a peer that is gone.
DEFAULTS: dict[str, Any] = {
    "ttl": 30, "loop_wait": 10, "retry_timeout": 10, "primary_start_timeout": 300, "primary_stop_timeout": 0,
    "failsafe_mode": False, "synchronous_mode": False, "maximum_lag_on_failover": 1048576,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    pod: str
    node: str
    address: str
    containers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lives:
    """What began when: the pods, how often PostgreSQL's container was started again in each, and the primary's PostgreSQL."""

    restarts: Mapping[str, int]
    primary_since: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A shard that stands: who leads, and who stands by with every acknowledged commit."""

    primary: Primary
    leader: Member
    standby: Member


@dataclass(frozen=True)
class Stage:
    """`image` is the probes', `changes` what its resource has otherwise than `spec` says."""

    database: Database
    image: str
    changes: Mapping[str, Any]

    @cached_property
    def nodes(self) -> list[Node]:
        return nodes()

    @property
    def namespace(self) -> str:
        return self.database.namespace

    @property
    def control_plane(self) -> Node:
        return next(node for node in self.nodes if node.is_control_plane)

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def member(self, pod: str) -> Member:
        found = get("pod", pod, self.namespace)
        assert found is not None, pod
        return read_member(found)

    def member_pods(self) -> list[Resource]:
        return get_all("pods", self.namespace, {"caisson.dev/database": self.database.name, "caisson.dev/shard": SHARD})

    def lives(self) -> Lives:
        ((since,),) = query(self.database, SHARD, "SELECT pg_postmaster_start_time()")
        return Lives({pod["metadata"]["uid"]: count_restarts(pod) for pod in self.member_pods()}, since)

    def steady(self, is_synchronous: bool = True) -> Standing:
        """Once the standby streams; of a synchronous shard, once it is the one that may be promoted."""

        def stands() -> Standing | None:
            primary = self.database.primary(SHARD)
            if primary is None:
                return None
            states = "'sync', 'quorum'" if is_synchronous else "'async', 'sync', 'quorum'"
            streaming = [row[0] for row in query(self.database, SHARD, STREAMING.format(states))]
            record = self.sync_record()
            trusted = [
                pod for pod in streaming if not is_synchronous or pod in record.get("sync_standby", "").split(",")
            ]
            if not trusted or (is_synchronous and record.get("leader") != primary.pod):
                return None
            return Standing(primary, self.member(primary.pod), self.member(trusted[0]))

        return wait_for("a primary and its standby", tolerant(stands), STEADY_SECONDS, self.database.explain)

    def wait_ready(self) -> None:
        """Kubernetes takes members for lost while it hears nothing of their nodes, and nobody hands over to or from such a one."""

        def are_ready() -> bool:
            pods = self.member_pods()
            return bool(pods) and all(map(is_pod_ready, pods))

        wait_for("every member to be ready", are_ready, STEADY_SECONDS, self.database.explain)

    def sync_record(self) -> dict[str, str]:
        return self.annotations("sync")

    def annotations(self, record: str) -> dict[str, str]:
        found = get("endpoints", f"{self.database.name}-{SHARD}-{record}", self.namespace) or {}
        annotations: dict[str, str] = found.get("metadata", {}).get("annotations", {})
        return annotations

    def signal(self, member: Member, signal: str, containers: tuple[str, ...] = (MEMBER, AGENT)) -> None:
        """To every process of the containers but the first, which only waits for the others."""
        for container in containers:
            words = ("bash", "-c", f"kill -{signal} -1")
            kubectl("exec", member.pod, "--container", container, "--", *words, namespace=self.namespace)

    def members_log(self, lines: int = 60) -> str:
        """What Patroni decided last, member by member, for a round that ended otherwise than it must."""
        selector = f"caisson.dev/database={self.database.name}"
        text = kubectl(
            "logs", "-l", selector, "--container", MEMBER, "--prefix", "--tail=2000", namespace=self.namespace
        )
        told = [line for line in text.splitlines() if DECISION.search(line) and "no action" not in line]
        return "\n".join(told[-lines:])

    def rows(self, round_: str) -> Rows:
        found = query(self.database, SHARD, ROWS.format(round_, SDK, PINNED))
        return {(key.removeprefix(f"{round_}-"), int(number)): int(times) for key, number, times in found}

    def promotions(self) -> Promotions:
        return {int(timeline): float(at) for timeline, at in query(self.database, SHARD, PROMOTIONS)}

    def set_durability(self, durability: str) -> None:
        self.database.apply(spec(**{**self.changes, "durability": durability}))
        wanted = {"synchronous_mode": durability != "asynchronous", "synchronous_mode_strict": durability == "strict"}
        wait_for(
            f"{durability} settings", lambda: wanted.items() <= self.settings().items(), SETTINGS_SECONDS,
            self.database.explain,
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads(self.annotations("config")["config"])
        return settings

    @contextmanager
    def patroni_settings(self, changes: Mapping[str, Any]) -> Iterator[None]:
        """Others than the operator would have it, which is away meanwhile."""
        before = self.settings()
        scale_operator(0)
        self.write_settings({**before, **changes})
        try:
            yield
        finally:
            self.write_settings(before)
            scale_operator(2)

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        name, text = f"{self.database.name}-{SHARD}-config", json.dumps(settings)
        kubectl("annotate", "endpoints", name, "--overwrite", f"config={text}", namespace=self.namespace)
        time.sleep(2 * max(settings["loop_wait"], 1))  # A member looks at them once a cycle.


def tolerant(probe: Callable[[], T | None]) -> Callable[[], T | None]:
    """A probe whose queries may fail while a primary is on its way."""

    def ask() -> T | None:
        try:
            return probe()
        except Exception:  # noqa: BLE001 - the wait has a deadline, and tells what it waited for
            return None

    return ask


def read_member(pod: Resource) -> Member:
    statuses = pod["status"].get("containerStatuses", [])
    containers = {status["name"]: status.get("containerID", "") for status in statuses}
    return Member(pod["metadata"]["name"], pod["spec"]["nodeName"], pod["status"]["podIP"], containers)


def count_restarts(pod: Resource) -> int:
    statuses = pod["status"].get("containerStatuses", [])
    return sum(status["restartCount"] for status in statuses if status["name"] == MEMBER)


def spec(**changes: Any) -> dict[str, Any]:
    return {
        "engine": {"type": "postgresql", "version": "15"},
        "shards": 1,
        "membersPerShard": 2,
        "storage": {"size": "1Gi"},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
        "durability": "synchronous",
        "deletionPolicy": "Delete",
        "schema": {"migrations": [{"id": "001-writes", "sql": SCHEMA}]},
        "tables": [{"name": "writes", "key": ["key"], "strategy": "hash", "buckets": 4}],
        **changes,
    }


def set_up(namespace: str, image: str, **changes: Any) -> Stage:
    """The namespace is there, and the operator watches it."""
    stage = Stage(Database(namespace, "writes"), image, changes)
    stage.database.apply(spec(**changes))
    provide_code(namespace)
    stage.database.wait_ready(READY_SECONDS, 1)
    stage.steady(changes.get("durability") != "asynchronous")
    return stage
