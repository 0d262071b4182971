"""What a new slot would wait for without a word is waited for by its name, before an expansion is recorded and before each copy."""

from dataclasses import replace
from typing import Any

import pytest

from caisson_operator.core.decisions import Decision, Plan, Settled, Wait
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.expansion import Pace, decide_expansion
from caisson_operator.sharded_database.observed import (
    Attachment,
    Claim,
    Expansion,
    GroupRecord,
    LeafState,
    PreparedTransaction,
    Shard,
    Subscription,
    WritingTransaction,
)
from caisson_operator.sharded_database.open_transactions import (
    LONG_TRANSACTION_SECONDS,
    wait_for_prepared,
    wait_for_transactions,
)
from caisson_operator.sharded_database.placement import form_switch_groups, place_initially, plan_moves
from caisson_operator.sharded_database.steps import CreateSlot, Fence, RecordGroup, StartExpansion
from fakes.observations import NOW, build_wanted, observe, settle

WANTED = build_wanted(2)
TABLES = WANTED.groups["aircraft"]
MOVES = plan_moves(place_initially(TABLES, ["s0"]), ["s0", "s1"])
FIRST, SECOND = form_switch_groups(1, MOVES, WANTED.groups, 2)
RUNNING = Expansion(1, (FIRST, SECOND), 1, 2, is_finished=False, started_at=NOW)
PACE = Pace(2, 0.0, None, is_paused=False, needs_standby=True)

SOURCE = Shard(
    "s0",
    timeline=1,
    has_synchronous_standby=True,
    shard_map={bucket: Claim("s0", 1) for bucket in TABLES.all_buckets()},
)
TARGET = Shard("s1", timeline=1, has_synchronous_standby=True)
PREPARED = PreparedTransaction("it's left", "bookings", "flights", 3.4)
WRITER = WritingTransaction(42, "bookings", "nightly load", "flights", 61.0)
STANDS_IN_THE_WAY: list[dict[str, Any]] = [{"prepared_transactions": (PREPARED,)}, {"oldest_writer": WRITER}]
REASONS = ["PreparedTransaction", "LongTransaction"]
HOLDS = list(zip(STANDS_IN_THE_WAY, REASONS, strict=True))


def reason(decision: Decision) -> str:
    return "" if isinstance(decision, Settled) else decision.reason


def test_a_prepared_transaction_is_told_with_what_ends_it() -> None:
    decision = wait_for_transactions(replace(SOURCE, prepared_transactions=(PREPARED,)))
    assert isinstance(decision, Wait)
    assert decision.reason == "PreparedTransaction"
    assert decision.message == (
        "s0 has the prepared transaction 'it''s left' of bookings in flights, less than 10 s old: a copy cannot begin before it has ended. "
        "End it: COMMIT PREPARED 'it''s left' or ROLLBACK PREPARED 'it''s left'"
    )


def test_a_long_transaction_is_told_with_whose_it_is() -> None:
    decision = wait_for_transactions(replace(SOURCE, oldest_writer=WRITER))
    assert isinstance(decision, Wait)
    assert decision.reason == "LongTransaction"
    assert decision.message == (
        "s0 has a transaction of bookings in flights (pid 42, application 'nightly load') open for 1 min: "
        "a copy cannot begin before it has ended. Let it end, or end it: SELECT pg_terminate_backend(42)"
    )


def test_a_process_of_the_server_needs_no_database_or_application() -> None:
    writer = WritingTransaction(7, "logical replication worker", "", None, 11.0)
    decision = wait_for_transactions(replace(SOURCE, oldest_writer=writer))
    assert isinstance(decision, Wait)
    assert "a transaction of logical replication worker (pid 7) open for 10 s:" in decision.message


@pytest.mark.parametrize(("more", "waits"), [(-0.1, False), (0.0, True)])
def test_a_slot_waits_by_itself_for_younger_transactions(more: float, waits: bool) -> None:
    writer = replace(WRITER, age_seconds=LONG_TRANSACTION_SECONDS + more)
    assert isinstance(wait_for_transactions(replace(SOURCE, oldest_writer=writer)), Wait) is waits


def test_a_fence_is_held_up_by_prepared_transactions_of_its_own_database_alone() -> None:
    elsewhere = replace(SOURCE, prepared_transactions=(replace(PREPARED, is_here=False),))
    assert isinstance(wait_for_prepared(elsewhere), Settled)
    assert isinstance(wait_for_transactions(elsewhere), Wait), "a slot waits for those of every database"
    both = replace(SOURCE, prepared_transactions=(replace(PREPARED, gid="theirs", is_here=False), PREPARED))
    decision = wait_for_prepared(both)
    assert isinstance(decision, Wait)
    assert (
        "'it''s left' of bookings in flights, less than 10 s old: nothing switches before it has ended"
        in decision.message
    )


@pytest.mark.parametrize(("hold", "told"), HOLDS)
def test_an_expansion_is_not_recorded_before_its_first_slots_can_be_made(hold: dict[str, Any], told: str) -> None:
    wanted = build_wanted(3)
    before = settle(WANTED)
    known = frozenset(wanted.shards)
    new = replace(before["s0"], name="s2", shard_map={}, leaves={})
    shards = {name: replace(shard, known_shards=known) for name, shard in {**before, "s2": new}.items()}
    free = decide(wanted, observe(wanted, shards))
    assert isinstance(free, Plan)
    assert [type(step) for step in free.steps] == [StartExpansion]
    assert reason(decide(wanted, observe(wanted, {**shards, "s1": replace(shards["s1"], **hold)}))) == told
    on_target = {**shards, "s2": replace(shards["s2"], **hold)}
    assert decide(wanted, observe(wanted, on_target)) == free, "no slot is made on a target"


@pytest.mark.parametrize(("hold", "told"), HOLDS)
def test_nothing_of_a_copy_is_made_before_its_slot_can_be(hold: dict[str, Any], told: str) -> None:
    free = decide_expansion(RUNNING, {"s0": SOURCE, "s1": TARGET}, PACE, NOW)
    assert isinstance(free, Plan)
    assert {RecordGroup, CreateSlot} <= {type(step) for step in free.steps}
    held = decide_expansion(RUNNING, {"s0": replace(SOURCE, **hold), "s1": TARGET}, PACE, NOW)
    assert reason(held) == told


@pytest.mark.parametrize(("hold", "told"), HOLDS)
def test_a_copy_that_was_interrupted_before_its_slot_waits_too(hold: dict[str, Any], told: str) -> None:
    begun = replace(TARGET, records={(1, FIRST.number): GroupRecord(1, 1, NOW)})
    assert reason(decide_expansion(RUNNING, {"s0": SOURCE, "s1": begun}, PACE, NOW)) == "Copying"
    assert reason(decide_expansion(RUNNING, {"s0": replace(SOURCE, **hold), "s1": begun}, PACE, NOW)) == told


def has_copy(source: Shard, target: Shard, tables_ready: int, **record: Any) -> dict[str, Shard]:
    """The first group has its slot and its subscription."""
    link, sentinels = FIRST.link, frozenset([FIRST.sentinel])
    return {
        "s0": replace(source, publications=frozenset([link]), slots={link: 0}, sentinels=sentinels),
        "s1": replace(
            target,
            leaves=dict.fromkeys(FIRST.leaves, LeafState(Attachment.LOOSE)),
            subscriptions={link: Subscription(True, tables_ready, tables_ready, True)},
            sentinels=sentinels,
            records={(1, FIRST.number): GroupRecord(1, 1, NOW, **record)},
        ),
    }


@pytest.mark.parametrize("hold", STANDS_IN_THE_WAY)
def test_a_copy_that_runs_goes_on_and_says_what_its_next_tables_may_wait_for(hold: dict[str, Any]) -> None:
    """Each table has a slot of its own while it is copied."""
    decision = decide_expansion(RUNNING, has_copy(replace(SOURCE, **hold), TARGET, 0), PACE, NOW)
    assert isinstance(decision, Wait)
    assert decision.reason == "Copying"
    assert "1 switch groups are being copied; tables whose turn comes now may wait: s0 has " in decision.message


def test_a_long_transaction_does_not_keep_groups_from_making_room() -> None:
    """The second group has no worker: it waits for the first to switch, and not for the transaction."""
    crowded = replace(TARGET, spare_workers=0)
    source = replace(SOURCE, oldest_writer=WRITER)
    verified = has_copy(source, crowded, len(FIRST.leaves) + 1, is_indexed=True, is_verified=True)
    decision = decide_expansion(RUNNING, verified, PACE, NOW)
    assert isinstance(decision, Plan)
    assert isinstance(decision.steps[0], Fence)
    roomy = {**verified, "s1": replace(verified["s1"], spare_workers=32)}
    assert reason(decide_expansion(RUNNING, roomy, PACE, NOW)) == "LongTransaction"


def test_another_source_copies_meanwhile() -> None:
    other = replace(SECOND, source="s2", target="s3")
    running = replace(RUNNING, groups=(FIRST, other))
    shards = {
        "s0": replace(SOURCE, oldest_writer=WRITER),
        "s1": TARGET,
        "s2": replace(SOURCE, name="s2", shard_map={bucket: Claim("s2", 1) for bucket in TABLES.all_buckets()}),
        "s3": replace(TARGET, name="s3"),
    }
    decision = decide_expansion(running, shards, PACE, NOW)
    assert isinstance(decision, Plan)
    assert {step.group.number for step in decision.steps} == {other.number}  # type: ignore[attr-defined]
