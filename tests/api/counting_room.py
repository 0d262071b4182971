"""The smallest room: a Service of each database's name says how many shards there are. And an operator that runs it."""

import asyncio
import os
from dataclasses import dataclass, replace

from caisson_operator.api.resource import ShardedDatabase
from caisson_operator.api.sharded_database_status import DatabasePhase, ShardedDatabaseStatus
from caisson_operator.api.status import Condition
from caisson_operator.application import Replica
from caisson_operator.core.conditions import ConditionStatus
from caisson_operator.core.decisions import Decision, Plan, Settled, Step
from caisson_operator.effects.kube import ObjectRef
from caisson_operator.effects.room_context import RoomContext
from caisson_operator.settings import read_settings
from caisson_operator.sharded_database.kind import SHARDED_DATABASE
from caisson_operator.telemetry.logs import set_up_logs


@dataclass(frozen=True, slots=True)
class Write(Step):
    shards: int


@dataclass(frozen=True, slots=True)
class CountingRoom:
    context: RoomContext

    async def observe(self, resource: ShardedDatabase) -> int:
        found = await self.context.kube.get(ObjectRef("v1", "Service", resource.namespace, resource.name))
        return int(found["metadata"]["annotations"]["shards"]) if found else 0

    def decide(self, resource: ShardedDatabase, observed: int) -> Decision:
        wanted = resource.spec.shards
        return Settled() if observed == wanted else Plan((Write(wanted),), "Counting", f"counting to {wanted}")

    async def act(self, resource: ShardedDatabase, step: Step) -> None:
        assert isinstance(step, Write)
        told = {"shards": str(step.shards), "term": str(self.context.term)}
        metadata = {"name": resource.name, "namespace": resource.namespace, "annotations": told}
        spec = {"clusterIP": "None"}
        await self.context.kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})

    def build_status(self, resource: ShardedDatabase, observed: int, decision: Decision) -> ShardedDatabaseStatus:
        is_ready = ConditionStatus.TRUE if observed == resource.spec.shards else ConditionStatus.FALSE
        condition = Condition(type="Ready", status=is_ready, reason="Counted")
        return ShardedDatabaseStatus(phase=DatabasePhase.READY, shard_count=observed, conditions=(condition,))

    async def close(self) -> None:
        """Nothing is held open."""


async def run() -> None:
    kinds = (replace(SHARDED_DATABASE, build_room=CountingRoom),)
    await Replica(read_settings(os.environ), kinds).run()


if __name__ == "__main__":
    set_up_logs("info")
    asyncio.run(run())
