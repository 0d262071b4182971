"""What the shards themselves have recorded, read in the pods of their primaries: the truth of which status is a cache."""

from collections.abc import Sequence
from dataclasses import dataclass

from demo.cluster import get, kubectl
from demo.database import Database

COUNT_GROUPS = (
    "SELECT count(*) FILTER (WHERE verified_at IS NULL), count(*) FILTER (WHERE switched_at IS NULL),"
    " count(*) FILTER (WHERE switched_at IS NOT NULL) FROM caisson.switch_group WHERE expansion = {}"
)
PLAN_STATE = "SELECT state FROM caisson.expansion WHERE id = {}"
SOURCE_TIMELINES = """
    SELECT DISTINCT g.source_timeline FROM caisson.switch_group g WHERE g.expansion = {0} AND g.number IN ({1})
"""
NUMBERS_FROM = """
    SELECT part->>'number' FROM caisson.expansion, jsonb_array_elements(plan->'groups') part
    WHERE id = {} AND part->>'source' = '{}'
"""


@dataclass(frozen=True, slots=True)
class GroupsRecorded:
    """Switch groups of one expansion as their targets have persisted them."""

    unverified: int
    unswitched: int
    switched: int


def query(database: Database, shard: str, sql: str) -> list[list[str]]:
    """Rows of the answer of a shard's primary, as its superuser."""
    primary = database.wait_primary(shard, 60)
    output = kubectl(
        "exec", primary.pod, "--",
        "psql", "-h", "/run/postgresql", "-U", "postgres", "-d", "app", "-XAtF", "\t", "-c", sql,
        namespace=database.namespace,
    )  # fmt: skip
    return [line.split("\t") for line in output.splitlines()]


def lose_volume(database: Database, pod: str) -> str:
    """As after a disk that died: its PersistentVolume is taken away, and its pod with it. Returns the uid of the claim that is lost."""
    claim = get("pvc", f"data-{pod}", database.namespace) or {}
    volume = claim["spec"]["volumeName"]
    kubectl("delete", "pv", volume, "--wait=false")
    kubectl("patch", "pv", volume, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    kubectl("delete", "pod", pod, "--wait=false", namespace=database.namespace)
    return str(claim["metadata"]["uid"])


def read_plan_state(database: Database, expansion: int) -> str:
    """The persisted machine, on the first shard; empty while nothing is recorded."""
    rows = query(database, "s0", PLAN_STATE.format(expansion))
    return rows[0][0] if rows else ""


def count_groups(database: Database, shards: Sequence[str], expansion: int) -> GroupsRecorded:
    rows = [query(database, shard, COUNT_GROUPS.format(expansion))[0] for shard in shards]
    return GroupsRecorded(*(sum(int(row[at]) for row in rows) for at in range(3)))


def read_source_timelines(database: Database, shards: Sequence[str], expansion: int, source: str) -> set[int]:
    """On which timelines of `source` the copies that its groups switched with were begun."""
    numbers = ", ".join(row[0] for row in query(database, "s0", NUMBERS_FROM.format(expansion, source)))
    answers = [query(database, shard, SOURCE_TIMELINES.format(expansion, numbers)) for shard in shards]
    return {int(row[0]) for rows in answers for row in rows}
