"""Tables whose leaves cannot move: refused before anything is made; let through, as a control, each breaks something."""

import asyncio
from collections.abc import Callable

import pytest
from psycopg import errors

from caisson.bucket import bucket_function
from caisson_operator.core.decisions import Refuse, Settled, Step, Wait
from caisson_operator.effects.postgres import opening
from caisson_operator.sharded_database import table_faults
from caisson_operator.sharded_database.observed import Observed
from caisson_operator.sharded_database.steps import Fence
from postgres.expansion.driver import BUCKETS, Spec, build_resource
from postgres.expansion.leftovers import find_leftovers, find_owners, must_be_settled
from postgres.expansion.stage import Stage, with_migrations

ROWS = "INSERT INTO flights (tailnum, seq) SELECT 'N' || n, n FROM generate_series(1, 200) AS n"

TO_UNSHARDED = "CREATE TABLE airlines (code text PRIMARY KEY); ALTER TABLE flights ADD airline text REFERENCES airlines"
# Of the application: no migration brings these rows to a new shard.
AIRLINE = "INSERT INTO airlines VALUES ('XA'); UPDATE flights SET airline = 'XA'"
FROM_UNSHARDED = "CREATE TABLE notes (tailnum text, seq bigint, FOREIGN KEY (tailnum, seq) REFERENCES flights)"
NOTES = "INSERT INTO notes SELECT tailnum, seq FROM flights"
DEFERRABLE = "ALTER TABLE flights DROP CONSTRAINT flights_pkey, ADD PRIMARY KEY (tailnum, seq) DEFERRABLE"

UNFIT = [
    (TO_UNSHARDED, "ForeignKeyToUnshardedTable", "ALTER TABLE flights DROP CONSTRAINT flights_airline_fkey"),
    (FROM_UNSHARDED, "ForeignKeyFromUnshardedTable", "DROP TABLE notes"),
    (DEFERRABLE, "DeferrablePrimaryKey", DEFERRABLE.removesuffix(" DEFERRABLE")),
]


@pytest.fixture
def filled(stage: Stage) -> Stage:
    execute(stage, ROWS)
    return stage


@pytest.fixture
def let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_faults, "_CHECKS", ())


def execute(stage: Stage, text: str) -> None:
    with stage.source.connect() as connection:
        connection.execute(text.encode())


def run(
    stage: Stage, spec: Spec, meanwhile: str = "", before_step: Callable[[Step], None] = lambda step: None
) -> object:
    """To the end, or to what is refused. `meanwhile` is executed once the expansion is under way."""

    async def play() -> object:
        operator = stage.operator(spec=spec, before_step=before_step)
        try:
            if meanwhile:
                await operator.run(until=is_under_way)
                execute(stage, meanwhile)
            return await operator.run()
        finally:
            await operator.close()

    return asyncio.run(play())


def is_under_way(observed: Observed) -> bool:
    return any(shard.subscriptions for shard in observed.shards.values())


def is_all_on_the_source(stage: Stage) -> bool:
    return list(find_owners(stage.clusters).values()) == [["s0"]] * BUCKETS


@pytest.mark.parametrize(("migration", "reason", "remedy"), UNFIT, ids=[reason for _, reason, _ in UNFIT])
def test_what_cannot_move_is_refused_before_anything_is_made_and_moves_once_it_is_mended(
    filled: Stage, migration: str, reason: str, remedy: str
) -> None:
    refused = run(filled, with_migrations(migration))
    assert isinstance(refused, Refuse)
    assert refused.reason == reason
    assert find_leftovers(filled.clusters) == []
    assert is_all_on_the_source(filled)
    assert run(filled, with_migrations(migration, remedy)) == Settled()
    must_be_settled(filled.clusters)


@pytest.mark.usefixtures("let_through")
def test_let_through_a_foreign_key_to_an_unsharded_table_leaves_buckets_without_an_owner(
    filled: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rehearsal is skipped too."""

    async def skip(*_: object) -> None: ...

    monkeypatch.setattr(opening, "rehearse", skip)
    with pytest.raises(errors.ForeignKeyViolation):
        run(filled, with_migrations(TO_UNSHARDED), AIRLINE)
    assert len(find_owners(filled.clusters)) < BUCKETS


@pytest.mark.usefixtures("let_through")
def test_what_an_attach_would_refuse_comes_to_light_before_a_fence(filled: Stage) -> None:
    with pytest.raises(errors.ForeignKeyViolation):
        run(filled, with_migrations(TO_UNSHARDED), AIRLINE)
    assert is_all_on_the_source(filled)
    execute(filled, "UPDATE flights SET payload = 'written'")


def test_a_foreign_key_that_is_added_by_hand_holds_the_switches_up_until_it_is_dropped(filled: Stage) -> None:
    added = "ALTER TABLE planes ADD FOREIGN KEY (seats) REFERENCES classes"
    fences: list[Step] = []

    async def play() -> None:
        operator = filled.operator(before_step=lambda step: fences.append(step) if isinstance(step, Fence) else None)
        try:
            await operator.run(until=is_under_way)
            execute(filled, f"CREATE TABLE classes (seats int PRIMARY KEY); {added}")
            found = [await operator.step() for _ in range(20)]
            assert {each.reason for each in found if isinstance(each, Wait)} == {"ForeignKeyToUnshardedTable"}
            assert fences == []
            execute(filled, "ALTER TABLE planes DROP CONSTRAINT planes_seats_fkey")
            assert await operator.run() == Settled()
        finally:
            await operator.close()

    asyncio.run(play())
    must_be_settled(filled.clusters)


@pytest.mark.usefixtures("let_through")
def test_let_through_a_foreign_key_of_an_unsharded_table_leaves_a_slot_behind(filled: Stage) -> None:
    with pytest.raises(errors.ForeignKeyViolation):
        run(filled, with_migrations(FROM_UNSHARDED), NOTES)
    assert [line for line in find_leftovers(filled.clusters) if "slot" in line]


@pytest.mark.usefixtures("let_through")
def test_let_through_a_deferrable_primary_key_fails_every_update_meanwhile(filled: Stage) -> None:
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        run(filled, with_migrations(DEFERRABLE), "UPDATE flights SET payload = 'written'")


COLLATION = "CREATE COLLATION IF NOT EXISTS ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
KEYED = "CREATE TABLE people (name text COLLATE ci PRIMARY KEY) PARTITION BY HASH (name)"
BUCKET = "SELECT n FROM generate_series(0, 15) AS n WHERE satisfies_hash_partition('people'::regclass, 16, n, %s::text)"


def test_a_key_whose_collation_is_not_deterministic_is_refused(stage: Stage) -> None:
    people = {"name": "people", "key": ["name"], "buckets": BUCKETS}
    tables = [*build_resource(2)["spec"]["tables"], people]
    refused = run(stage, with_migrations(COLLATION + KEYED) | {"tables": tables})
    assert isinstance(refused, Refuse)
    assert refused.reason == "KeyCollationNotDeterministic"
    assert "(name)" in refused.message


def test_let_through_such_a_key_has_other_buckets_than_clients_compute(stage: Stage) -> None:
    names = [f"Name {number}" for number in range(100)]
    with stage.source.connect() as connection:
        connection.execute((COLLATION + KEYED).encode())
        servers = [connection.execute(BUCKET, (name,)).fetchone() for name in names]
    clients = [(bucket_function(("text",), BUCKETS)(name),) for name in names]
    assert sum(mine != theirs for mine, theirs in zip(clients, servers, strict=True)) > 80
