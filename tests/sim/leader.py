"""The operator without Kubernetes and without waiting: the room's real decisions, carried out one transaction at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from caisson_operator.api.resource import load_sharded_database
from caisson_operator.core.content import CONTENT
from caisson_operator.core.decisions import Decision, HeldUp, Plan, Step, Wait
from caisson_operator.sharded_database import provisioning
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.observed import Objects, Observed
from caisson_operator.sharded_database.wanted import Engine, Wanted, read_wanted
from fakes.observations import certify
from fakes.server import Deposed, EngineError, SessionLost, Unreachable
from fakes.shards import Shards

Decide = Callable[[Wanted, Observed], Decision]
TABLES = [{"name": "flights", "key": ["tailnum"], "group": "aircraft", "strategy": "hash", "buckets": 6}]


@cache
def build_wanted(shards: int, buckets: int = 4, is_paused: bool = False) -> Wanted:
    tables = [{**TABLES[0], "buckets": buckets}]
    spec: dict[str, Any] = {
        "shards": shards,
        "membersPerShard": 2,
        "storage": {"size": "1Gi"},
        "schema": {"migrations": [{"id": "001", "sql": "CREATE TABLE flights ()"}]},
        "tables": tables,
        "expansion": {"switchGroups": 4, "paused": is_paused},
    }
    metadata = {"name": "flights", "namespace": "test", "uid": "0"}
    return read_wanted(load_sharded_database({"metadata": metadata, "spec": spec}), Engine("image"))


@cache
def provisioned(shards: int) -> Objects:
    """Every Kubernetes object is there."""
    wanted = build_wanted(shards, 64)
    objects = Objects(claimed_sizes=dict.fromkeys(wanted.shards, "1Gi"), **certify(wanted))
    made = provisioning.build_objects(wanted, objects, objects.login)
    stamps = {(m["kind"], m["metadata"]["name"]): m["metadata"]["annotations"][CONTENT] for m in made}
    return replace(objects, contents=stamps)


@dataclass
class Leader:
    """One leader of one term. `advance` does one transaction, or looks and decides where no plan is under way.

    Whatever interrupts a plan, the next look begins from what is there: nothing else is kept.
    """

    shards: Shards
    wanted: Wanted
    term: int = 1
    decide_next: Decide = decide
    is_deposed: bool = False
    plan: list[Step] = field(default_factory=list)
    effect: Iterator[str] | None = None
    step: Step | None = None
    place: str = ""

    def advance(self) -> Decision | None:
        """None while a plan is under way; else what was decided, or a Wait for what held it up."""
        try:
            return self._advance()
        except Deposed:
            self.is_deposed = True
            self.forget()
            return Wait("Deposed", "another leads", 1)
        except HeldUp as held_up:
            self.forget()
            return Wait(held_up.reason, str(held_up), held_up.seconds)
        except (Unreachable, SessionLost, EngineError) as error:
            self.forget()
            return Wait(type(error).__name__, str(error), 1)

    def forget(self) -> None:
        """Walk away from the plan: what an effect had begun stays as it is."""
        self.plan, self.effect, self.step = [], None, None

    def _advance(self) -> Decision | None:
        if self.effect is None and not self.plan:
            return self._look()
        if self.effect is None:
            self.step = self.plan.pop(0)
            self.effect = self.shards.run(self.step, self.term)
        place = next(self.effect, None)
        if place is None:
            self.effect = None
        self.place = place or "done"
        return None

    def _look(self) -> Decision:
        shards = self.shards.observe(self.term, self.wanted.shards)
        objects = provisioned(len(self.wanted.shards))
        decision = self.decide_next(self.wanted, Observed(self.shards.cluster.now, objects, shards))
        if isinstance(decision, Plan):
            self.plan = list(decision.steps)
        return decision
