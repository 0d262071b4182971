"""What people do to a shard that stands: they change what its members are made of, or drain a node. Nothing is lost, and none is refused.

Not among the faults of `make test`, where tests/e2e/test_updating.py does the same under another application.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demo.cluster import kubectl, wait_for
from demo.database import Database
from faults.fault import Expected, Fault
from faults.stage import Stage, Standing

BEGUN_SECONDS, UPDATE_SECONDS = 60, 240
DRAIN_SECONDS = 110
LIMITS = ("1Gi", "1025Mi")


def change(database: Database, **spec: Any) -> None:
    patch = json.dumps({"spec": spec})
    kubectl("patch", "sdb", database.name, "--type=merge", "-p", patch, namespace=database.namespace)


def wait_updated(database: Database) -> None:
    """Until every member is ready, as its template says, and protected. For a database of one shard."""

    def is_updated() -> bool:
        resource = database.read()
        members = resource["spec"]["membersPerShard"]
        (shard,) = resource["status"]["shards"]
        is_whole = (shard.get("readyMembers"), shard.get("updatedMembers")) == (members, members)
        return (
            is_whole and not shard.get("unprotectedSince") and database.condition("Updating").get("status") == "False"
        )

    wait_for("every member to be ready and up to date", is_updated, UPDATE_SECONDS, database.explain)


@contextmanager
def drained(database: Database, node: str) -> Iterator[None]:
    """Of the database's members; whatever else runs there stays."""
    selector = f"caisson.dev/database={database.name}"
    try:
        kubectl(
            "drain", node, f"--pod-selector={selector}", "--delete-emptydir-data", "--ignore-daemonsets",
            f"--timeout={DRAIN_SECONDS}s", seconds=DRAIN_SECONDS + 10,
        )  # fmt: skip
        yield
    finally:
        kubectl("uncordon", node)


@contextmanager
def node_drained(stage: Stage, before: Standing) -> Iterator[None]:
    with drained(stage.database, before.leader.node):
        yield
    wait_updated(stage.database)


@contextmanager
def rolling_update(stage: Stage, before: Standing) -> Iterator[None]:
    """By a limit that nobody reaches. The stage's own spec does not name it, so no later apply takes it back in another round."""
    limits = stage.database.read()["spec"]["resources"].get("limits", {})
    other = next(amount for amount in LIMITS if amount != limits.get("memory"))
    change(stage.database, resources={"limits": {"memory": other}})
    stage.database.wait_condition("Updating", "True", BEGUN_SECONDS)
    wait_updated(stage.database)
    yield


UPDATES = (
    Fault("node_drained", node_drained, Expected.MOVES),
    Fault("rolling_update", rolling_update, Expected.MOVES),
)
