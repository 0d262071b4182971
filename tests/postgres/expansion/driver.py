"""Drives the room's real decisions and effects against local clusters: the operator without Kubernetes.

Provisioning is answered for by a constant: every object is there. Everything else (observe, decide, act) is the product's.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import psycopg

from caisson_operator.api.resource import load_sharded_database
from caisson_operator.core.content import CONTENT
from caisson_operator.core.decisions import Decision, HeldUp, Plan, Refuse, Refused, Settled, Step, Wait
from caisson_operator.core.layout import ShardAddress
from caisson_operator.effects.postgres.fence import Drill
from caisson_operator.effects.postgres.sessions import Sessions
from caisson_operator.sharded_database.act_on_shards import ShardActor
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.observe_shards import observe_shard
from caisson_operator.sharded_database.observed import Objects, Observed, Shard
from caisson_operator.sharded_database.provisioning import build_objects
from caisson_operator.sharded_database.steps import PublishShards
from caisson_operator.sharded_database.wanted import Engine, Wanted, read_wanted
from fakes.observations import certify
from postgres.clusters import Cluster

MIGRATION = """
CREATE TABLE flights (tailnum text, seq bigint, payload text, PRIMARY KEY (tailnum, seq)) PARTITION BY HASH (tailnum);
CREATE INDEX flights_seq ON flights (seq);
CREATE TABLE planes (tailnum text PRIMARY KEY, seats int) PARTITION BY HASH (tailnum);
"""
BUCKETS = 16
LONGEST_WAIT_SECONDS = 0.05  # a decision's own wait may be seconds: tests look again sooner
AFTER_FAILURE_SECONDS = 0.1
UNREACHABLE = (psycopg.OperationalError, OSError, TimeoutError)
RETRIED = (psycopg.Error, OSError, TimeoutError)  # a fence that idled too long is an InternalError

Spec = dict[str, Any]


def build_resource(shards: int, **spec: object) -> Spec:
    table = {"key": ["tailnum"], "group": "aircraft", "strategy": "hash", "buckets": BUCKETS}
    base: Spec = {
        "shards": shards,
        "membersPerShard": 1,
        "durability": "asynchronous",
        "storage": {"size": "1Gi"},
        "schema": {"migrations": [{"id": "001", "sql": MIGRATION}]},
        "tables": [{"name": "flights", **table}, {"name": "planes", **table}],
        "expansion": {"switchGroups": 4},
    }
    metadata = {"name": "flights", "namespace": "test", "uid": "0"}
    return {"metadata": metadata, "spec": base | spec}


class Crash(BaseException):
    """The operator dies here: nothing of it runs on, and a new one begins from what is there."""


@dataclass
class Operator:
    """One leader of one term. Make a new one to play its successor.

    `survives_faults`: go on after a server's fault, as the frame's queue does; each one is kept in `faults`.
    """

    clusters: Sequence[Cluster]
    shards: int = 2
    term: int = 1
    spec: Spec = field(default_factory=dict)
    drill: Drill | None = None
    survives_faults: bool = False
    pauses: list[float] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    before_step: Callable[[Step], None] = lambda step: None
    after_step: Callable[[Step], None] = lambda step: None

    def __post_init__(self) -> None:
        self.sessions = Sessions(self._dsn("postgres"), self._dsn("caisson_owner"), self.term)
        replication = self._dsn("caisson_replication")
        self.actor = ShardActor(
            "flights", self.sessions, replication, lambda login: login.mark, self.pauses.append, self.drill
        )

    def _dsn(self, user: str) -> Callable[[str], str]:
        return lambda shard: self.clusters[int(shard[1:])].dsn(user=user)

    @property
    def wanted(self) -> Wanted:
        return read_wanted(load_sharded_database(build_resource(self.shards, **self.spec)), Engine("image"))

    async def observe(self) -> Observed:
        """A shard that cannot be read is a finding, as in the room."""
        shards: dict[str, Shard] = {}
        unreachable: dict[str, str] = {}
        for name in self.wanted.shards:
            try:
                shards[name] = await observe_shard(self.sessions, name, self.wanted.groups)
            except UNREACHABLE as error:
                unreachable[name] = str(error)
        return Observed(datetime.now(UTC), self._objects(), shards, unreachable)

    def _objects(self) -> Objects:
        objects = Objects(claimed_sizes=dict.fromkeys(self.wanted.shards, "1Gi"), **certify(self.wanted))
        made = build_objects(self.wanted, objects, objects.login)
        contents = {(m["kind"], m["metadata"]["name"]): m["metadata"]["annotations"][CONTENT] for m in made}
        return replace(objects, contents=contents)

    async def step(self) -> Decision:
        """Observe, decide and act once; a step that was held up or refused says so in place of its plan."""
        decision = decide(self.wanted, await self.observe())
        if isinstance(decision, Plan):
            try:
                await self._act(decision)
            except HeldUp as held_up:
                decision = Wait(held_up.reason, str(held_up), held_up.seconds)
            except Refused as refused:
                decision = Refuse(refused.reason, refused.message)
        self.decisions.append(decision)
        return decision

    async def _act(self, plan: Plan) -> None:
        for step in plan.steps:
            self.before_step(step)
            await self.actor.act(self._localize(step))
            self.after_step(step)

    def _localize(self, step: Step) -> Step:
        """Clients are told the clusters' ports in place of the names of Services."""
        if not isinstance(step, PublishShards):
            return step
        host = "127.0.0.1"
        found = zip(step.addresses, self.clusters, strict=False)
        return replace(step, addresses=tuple(ShardAddress(a.shard, host, c.port, host) for a, c in found))

    async def run(self, seconds: float = 120, until: Callable[[Observed], bool] | None = None) -> Decision:
        """Until settled or refused, or until `until` holds of what was observed; TimeoutError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            if until and until(await self.observe()):
                return Settled()
            decision = await self._step_or_fault()
            if isinstance(decision, Settled | Refuse):
                return decision
            if time.monotonic() > deadline:
                told = Counter(getattr(each, "reason", "Settled") for each in self.decisions)
                raise TimeoutError(
                    f"not settled after {seconds} s: {told}; faults: {self.faults[-3:]}; last: {decision}"
                )
            if isinstance(decision, Wait):
                await asyncio.sleep(min(decision.seconds, LONGEST_WAIT_SECONDS))

    async def _step_or_fault(self) -> Decision | None:
        try:
            return await self.step()
        except RETRIED as error:
            if not self.survives_faults:
                raise
            self.faults.append(error)
            await asyncio.sleep(AFTER_FAILURE_SECONDS)
            return None

    async def close(self) -> None:
        with suppress(psycopg.OperationalError):
            await self.sessions.close()

    @property
    def reasons(self) -> list[str]:
        """The reasons of all decisions so far, each run of the same one once."""
        told = [getattr(decision, "reason", "Settled") for decision in self.decisions]
        return [reason for place, reason in enumerate(told) if place == 0 or told[place - 1] != reason]


def grant_as_the_image_does(clusters: Sequence[Cluster]) -> None:
    """What workloads/postgres does when it makes the database."""
    for cluster in clusters:
        with cluster.connect() as connection:
            connection.execute(
                "GRANT pg_read_all_data TO caisson_replication; GRANT ALL ON SCHEMA public TO caisson_owner"
            )
            connection.execute(
                "ALTER DEFAULT PRIVILEGES FOR ROLE caisson_owner IN SCHEMA public "
                "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO caisson_app"
            )


async def run_to_the_end(clusters: Sequence[Cluster], shards: int, **options: Any) -> Operator:
    """A leader from its first look until all is settled."""
    operator = Operator(clusters, shards, **options)
    try:
        decision = await operator.run()
    finally:
        await operator.close()
    assert isinstance(decision, Settled), decision
    return operator
