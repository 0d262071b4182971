"""Anything may die at any place of an expansion under load; the next leader finishes it from what is there."""

import asyncio
import multiprocessing
import random
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest

import caisson
from caisson_operator.core.decisions import Settled, Step
from caisson_operator.effects.postgres.fence import Drill
from postgres.clusters import Cluster
from postgres.expansion.application import first_key_of
from postgres.expansion.driver import Crash, Operator
from postgres.expansion.leftovers import must_be_settled
from postgres.expansion.load import RunningLoad, running_load
from postgres.expansion.mover import DEPOSED, Mover, running_mover
from postgres.expansion.stage import Stage

WARM_UP = 60
PLACES = ("before lock", "after lock", "after durable write", "after commit")
# Each leader is a process that begins at once: what it imports is there already.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])
MOST_TERMS = 200
KILLS = 7
LEADER_SECONDS = 120.0
PATIENCE_SECONDS = 5.0  # the fence's own two idle seconds, and what a busy machine takes on top


def must_be_whole(stage: Stage, load: RunningLoad) -> None:
    """Writers go on, nothing was lost or doubled, nothing failed, nothing is left behind."""
    load.wait_for_writes(WARM_UP)
    findings = load.check()
    assert findings.is_clean, findings
    must_be_settled(stage.clusters)


def test_the_operator_is_killed_after_every_single_step(stage: Stage) -> None:
    """Once after each, by SIGKILL: its sessions end as a dead machine's do, and nothing of it says goodbye."""
    done: set[Step] = set()
    with running_load(stage.clusters, stage.binding) as load:
        load.wait_for_writes(WARM_UP)
        for term in range(2, MOST_TERMS):
            died_after = lead_and_be_killed(stage, term, done)
            if died_after is None:
                break
            done.add(died_after)
        must_be_whole(stage, load)
    assert term == len(done) + 2 > 60, "the operator was to be killed after each of the many steps"


def lead_and_be_killed(stage: Stage, term: int, done: set[Step]) -> Step | None:
    """A leader in a process of its own that is killed after its first step that is not in `done`; None if it settled all."""
    here, there = FORKS.Pipe()
    leader = FORKS.Process(target=lead_to_death, args=(stage, term, done, there))
    leader.start()
    there.close()
    leader.join(LEADER_SECONDS)
    if leader.exitcode == 0:
        return None
    assert leader.exitcode == -signal.SIGKILL, f"the leader ended with {leader.exitcode}"
    step = here.recv()
    assert isinstance(step, Step)
    return step


def lead_to_death(stage: Stage, term: int, done: set[Step], there: Connection) -> None:
    def die(step: Step) -> None:
        if step not in done:
            there.send(step)
            signal.raise_signal(signal.SIGKILL)

    assert asyncio.run(lead_once(stage.operator(term, after_step=die)))


def lead_until_settled(stage: Stage, leader: Callable[[int], Operator]) -> int:
    """One leader after the other, until one finds nothing to do. Returns its term."""
    for term in range(2, MOST_TERMS):
        if asyncio.run(lead_once(leader(term))):
            return term
    raise AssertionError(f"not settled after {MOST_TERMS} leaders")


async def lead_once(operator: Operator) -> bool:
    try:
        return isinstance(await operator.run(), Settled)
    except Crash:
        return False
    finally:
        await operator.close()


def test_the_operator_dies_at_every_place_of_the_fence(stage: Stage) -> None:
    left = list(PLACES)

    def die_once(place: str) -> None:
        if left and place == left[0]:
            left.pop(0)
            raise Crash

    with running_load(stage.clusters, stage.binding) as load:
        load.wait_for_writes(WARM_UP)
        lead_until_settled(stage, lambda term: stage.operator(term, drill=Drill(at=die_once)))
        must_be_whole(stage, load)
    assert left == []


def test_a_mover_killed_at_random_moments_is_followed_by_one_that_finishes(stage: Stage) -> None:
    chance = random.Random(7)
    with running_load(stage.clusters, stage.binding) as load:
        load.wait_for_writes(WARM_UP)
        for term in range(2, 2 + KILLS):
            with running_mover(stage.clusters, stage.spec, term) as mover:
                assert kill_after(mover, chance.randrange(1, 25)) == -signal.SIGKILL
        stage.expand(2 + KILLS)
        must_be_whole(stage, load)


def kill_after(mover: Mover, places: int) -> int:
    """In the middle of what follows the n-th place. Returns the exit status, which tells whether the kill came too late."""
    for number, _ in enumerate(mover.places(), start=1):
        if number == places:
            break
    return mover.kill9()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_server_dies_at_every_place_of_the_fence(stage: Stage, side: str) -> None:
    victim: Cluster = getattr(stage, side)
    left = list(PLACES)

    def kill_once(place: str) -> None:
        if left and place == left[0]:
            left.pop(0)
            victim.kill9()
            victim.start()

    with running_load(stage.clusters, stage.binding) as load:
        load.wait_for_writes(WARM_UP)
        stage.expand(drill=Drill(at=kill_once), survives_faults=True)
        must_be_whole(stage, load)
    assert left == []


@pytest.mark.parametrize("place", ["after lock", "after durable write"])
def test_writers_go_on_while_the_operator_hangs_in_the_fence(stage: Stage, place: str) -> None:
    """The server ends the session of a fence that idles; when the old leader wakes, a later term has begun."""
    with running_load(stage.clusters, stage.binding) as load, running_mover(stage.clusters, {}, 2, place) as mover:
        mover.wait_until_stopped()
        with caisson.ShardedDatabase.connect(binding=stage.binding, timeout=PATIENCE_SECONDS) as database:
            for bucket in range(8, 16):  # all that move; the first two are behind the fence
                key = first_key_of(bucket)
                database.execute("INSERT INTO flights VALUES (%s, 5)", (key,), key=key)
                database.execute("DELETE FROM flights WHERE tailnum = %s", (key,), key=key)
        load.wait_for_writes(WARM_UP)
        assert mover.is_stopped()
        stage.expand(term=3)
        mover.go_on()
        assert mover.end() == DEPOSED
        must_be_whole(stage, load)


def test_an_operator_that_hung_in_the_fence_goes_on_if_nobody_has_followed_it(stage: Stage) -> None:
    with (
        running_load(stage.clusters, stage.binding) as load,
        running_mover(stage.clusters, {}, 2, "after lock") as mover,
    ):
        mover.wait_until_stopped()
        load.wait_for_writes(WARM_UP)
        mover.go_on()
        assert mover.end() == 0
        must_be_whole(stage, load)
