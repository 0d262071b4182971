"""Controls: with one guard switched off the checker must find a loss within a few seeded rounds, else it is blind.

Beside each, in the same test, the same rounds with the guard on: no finding.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from caisson_operator.core.decisions import Step
from caisson_operator.effects.postgres.fence import Drill
from caisson_operator.sharded_database.steps import Fence, OpenTarget
from postgres.clusters import Cluster
from postgres.expansion.application import HELD_COMMITS, LoadOptions
from postgres.expansion.driver import BUCKETS, Crash
from postgres.expansion.ledger import Findings
from postgres.expansion.leftovers import must_be_settled
from postgres.expansion.load import running_load
from postgres.expansion.stage import Stage, set_stage, with_migrations

ROUNDS = 10  # about four rounds of five bite: that none of ten does is no chance
WARM_UP = 60
APPLY_OFF = "max_logical_replication_workers = 0"


def bites_only_without_its_guard(without: Callable[[int], bool], guarded: Callable[[int], None]) -> None:
    """`without` says whether the checker found a loss with this seed; `guarded` fails if it found anything.

    With the guard as many rounds are played, of the same seeds, as it took without it.
    """
    seeds = range(1, ROUNDS + 1)
    bite = next((seed for seed in seeds if without(seed)), None)
    assert bite, "nothing was found without the guard: the checker or the load is blind"
    for seed in seeds[:bite]:
        guarded(seed)


def play_moves(path: Path, options: LoadOptions, drill: Drill) -> Findings:
    """One expansion under a load; its COMMITs are held, if they are, around each fence."""
    spec = with_migrations(HELD_COMMITS) if options.hold_seconds else {}
    with set_stage(path, spec) as stage, running_load(stage.clusters, stage.binding, options) as load:

        def before_step(step: Step) -> None:
            if options.hold_seconds and isinstance(step, Fence):
                load.hold()

        def after_step(step: Step) -> None:
            if isinstance(step, OpenTarget):
                load.release()

        load.wait_for_writes(WARM_UP)
        stage.expand(drill=drill, before_step=before_step, after_step=after_step)
        load.wait_for_writes(WARM_UP)
        return load.check()


# Applications that write now and then and hear no NOTIFY: after a switch they come to a leaf that is detached already.
IDLERS = LoadOptions(writers=1, deaf_processes=2, pause_seconds=0.03, rows_per_tail=2)


def test_updates_vanish_without_the_check_after_the_statements_and_never_with_it(tmp_path: Path) -> None:
    def without(seed: int) -> bool:
        return bool(play_moves(tmp_path, replace(IDLERS, seed=seed, has_check=False), Drill()).bad_tallies)

    def guarded(seed: int) -> None:
        findings = play_moves(tmp_path, replace(IDLERS, seed=seed), Drill())
        assert findings.is_clean, findings

    bites_only_without_its_guard(without, guarded)


# COMMITs that take long, and others that write the same rows: see HELD_COMMITS.
HOLDERS = LoadOptions(hold_seconds=0.4, tails=8, rows_per_tail=2, from_bucket=BUCKETS // 2)


def test_updates_are_lost_under_held_commits_without_the_tombstone_and_never_with_it(tmp_path: Path) -> None:
    def without(seed: int) -> bool:
        drill = Drill(without_tombstone=True)
        return bool(play_moves(tmp_path, replace(HOLDERS, seed=seed), drill).bad_tallies)

    def guarded(seed: int) -> None:
        findings = play_moves(tmp_path, replace(HOLDERS, seed=seed), Drill())
        assert findings.is_clean, findings

    bites_only_without_its_guard(without, guarded)


def play_target_crash(path: Path, seed: int, drill: Drill) -> tuple[list[str], Findings]:
    """The target dies as the fence commits. Returns what it lacks of the source as it comes back, and the end's findings."""
    with (
        set_stage(path, settings={"wal_writer_delay": "10s"}) as stage,
        running_load(stage.clusters, stage.binding, LoadOptions(seed=seed)) as load,
    ):
        load.wait_for_writes(WARM_UP)
        with pytest.raises(Crash):
            stage.expand(drill=dying_with(stage.target, drill))
        missing = compare_as_recovered(stage)
        stage.expand(term=3, survives_faults=True)
        load.wait_for_writes(WARM_UP)
        findings = load.check()
        must_be_settled(stage.clusters)
        return missing, findings


def dying_with(cluster: Cluster, drill: Drill) -> Drill:
    def at(place: str) -> None:
        if place == "after commit":
            cluster.kill9()
            raise Crash

    return replace(drill, at=at)


def compare_as_recovered(stage: Stage) -> list[str]:
    """Start the target with no apply worker, so that it shows exactly what its crash has left."""
    configuration = stage.target.data / "postgresql.auto.conf"
    text = configuration.read_text()
    configuration.write_text(f"{text}{APPLY_OFF}\n")
    stage.target.start()
    try:
        with stage.source.connect() as source, stage.target.connect() as target:
            return [line for leaf in moving_leaves(source) for line in differences(source, target, leaf)]
    finally:
        configuration.write_text(text)
        stage.target.restart_immediate()


def moving_leaves(source: psycopg.Connection) -> list[str]:
    """Those whose fence has committed: their tombstone is up."""
    text = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'caisson_moved' AND tgenabled <> 'D'"
    return [name for (name,) in source.execute(text).fetchall()]


def differences(source: psycopg.Connection, target: psycopg.Connection, leaf: str) -> list[str]:
    rows = [set(side.execute(f"SELECT t::text FROM {leaf} AS t").fetchall()) for side in (source, target)]
    return [f"{leaf}: {row}" for (row,) in rows[0] ^ rows[1]]


def test_a_crash_of_the_target_takes_rows_with_it_without_the_durable_write_and_never_with_it(tmp_path: Path) -> None:
    def without(seed: int) -> bool:
        return bool(play_target_crash(tmp_path, seed, Drill(without_durable_target=True))[0])

    def guarded(seed: int) -> None:
        missing, findings = play_target_crash(tmp_path, seed, Drill())
        assert missing == []
        assert findings.is_clean, findings

    bites_only_without_its_guard(without, guarded)
