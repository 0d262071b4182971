"""The opening of a target: its leaves are attached before they are claimed, and whatever comes between loses nothing.

A claim that showed together with the leaves could be believed by a session that had not been told of them yet.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg
import pytest

import caisson
from caisson_operator.core.decisions import Step
from caisson_operator.core.layout import SwitchGroup
from caisson_operator.sharded_database.steps import OpenTarget
from postgres.clusters import Cluster
from postgres.expansion.application import LoadOptions, first_key_of
from postgres.expansion.leftovers import must_be_settled
from postgres.expansion.load import running_load, seed_rows
from postgres.expansion.stage import Stage
from postgres.expansion.test_held_up import step_until

WARM_UP = 60
PATIENCE_SECONDS = 1.0

# The leaves of claimed buckets, and whether an earlier transaction than the claim's attached them.
ATTACHED_BEFORE = """
SELECT relname, i.xmin::text::bigint < m.xmin::text::bigint
FROM caisson.shard_map AS m JOIN pg_class AS leaf ON relkind = 'r' AND relname ~ ('_b' || bucket || '$')
JOIN pg_inherits AS i ON inhrelid = leaf.oid WHERE owner = 's1'
"""
# Attached and claimed at once, as no opening may.
ATTACH_AND_CLAIM_AT_ONCE = """
BEGIN; ALTER TABLE planes DETACH PARTITION planes_b8; ALTER TABLE planes ATTACH PARTITION planes_b8 FOR VALUES WITH (MODULUS 16, REMAINDER 8);
UPDATE caisson.shard_map SET epoch = epoch WHERE bucket = 8; COMMIT
"""


def test_every_leaf_is_attached_in_an_earlier_transaction_than_the_one_that_claims_it(stage: Stage) -> None:
    stage.expand()
    with stage.target.connect() as target:
        found: dict[str, bool] = dict(target.execute(ATTACHED_BEFORE).fetchall())
        assert len(found) == 8 * 3, "of each bucket flights, planes, and the idempotency keys"
        assert all(found.values()), [leaf for leaf, is_earlier in found.items() if not is_earlier]
        target.execute(ATTACH_AND_CLAIM_AT_ONCE.encode())
        wrong = [leaf for leaf, is_earlier in target.execute(ATTACHED_BEFORE).fetchall() if not is_earlier]
        assert wrong == ["planes_b8"], "the control: the look at the transactions is blind"


@pytest.mark.parametrize("who", ["operator", "target"])
def test_whoever_dies_between_attach_and_claim_the_next_leader_claims_what_is_attached(stage: Stage, who: str) -> None:
    with running_load(stage.clusters, stage.binding) as load:
        load.wait_for_writes(WARM_UP)
        with claims_held_up(stage.target) as hold:
            lead_until_attached(stage, hold)
            if who == "target":
                stage.target.kill9()
                stage.target.start()
        stage.expand(term=3, survives_faults=True)
        load.wait_for_writes(WARM_UP)
        findings = load.check()
    assert findings.is_clean, findings
    must_be_settled(stage.clusters)


def test_leaves_that_are_attached_and_not_claimed_are_nobodys(stage: Stage) -> None:
    options = LoadOptions(binding=stage.binding)
    seed_rows(options)
    with (
        caisson.ShardedDatabase.connect(binding=stage.binding, timeout=PATIENCE_SECONDS) as database,
        claims_held_up(stage.target) as hold,
    ):
        group = lead_until_attached(stage, hold)
        key = first_key_of(group.buckets[0])
        with pytest.raises(caisson.Unavailable):
            database.execute("INSERT INTO planes VALUES (%s, 1)", (key,), key=key)
        with pytest.raises(caisson.ScatterIncomplete):
            database.scatter("SELECT count(*) FROM planes")
        naive = database.scatter("SELECT count(*) FROM planes", tables=[])
        assert count(naive) > options.tails, "the control: they are on both sides, and counted twice"
    stage.expand(term=3)
    with caisson.ShardedDatabase.connect(binding=stage.binding) as database:
        assert count(database.scatter("SELECT count(*) FROM planes")) == options.tails
    must_be_settled(stage.clusters)


@contextmanager
def claims_held_up(cluster: Cluster) -> Iterator[Callable[[], None]]:
    """Once the yielded function has been called, nobody can write the map, and all can read it."""
    with ExitStack() as stack:

        def hold() -> None:
            session = stack.enter_context(closing(cluster.connect()))
            session.execute("BEGIN; LOCK TABLE caisson.shard_map IN SHARE MODE")

        yield hold


def lead_until_attached(stage: Stage, hold: Callable[[], None]) -> SwitchGroup:
    """A leader whose first opening attaches the leaves, comes no further than its claim, and dies. Returns that switch group."""
    opening: list[SwitchGroup] = []

    def before_step(step: Step) -> None:
        if isinstance(step, OpenTarget) and not opening:
            opening.append(step.group)
            hold()

    async def lead() -> None:
        operator = stage.operator(before_step=before_step)
        try:
            await step_until(operator, lambda _: bool(opening) and is_attached(stage.target, opening[0]))
        finally:
            await operator.close()

    asyncio.run(lead())
    return opening[0]


def is_attached(cluster: Cluster, group: SwitchGroup) -> bool:
    with cluster.connect() as connection:
        return all(is_leaf_attached(connection, f"{leaf.schema}.{leaf.name}") for leaf in group.leaves)


def is_leaf_attached(connection: psycopg.Connection, name: str) -> bool:
    return connection.execute("SELECT FROM pg_inherits WHERE inhrelid = %s::regclass", (name,)).fetchone() is not None


def count(results: list[caisson.ScatterResult]) -> int:
    return sum(int(result.rows[0][0]) for result in results)
