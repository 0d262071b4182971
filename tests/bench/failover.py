"""The faults of tests/faults on kind, round by round: how long writes stood still, what was lost, and what a plain Patroni does.

Environment: `ROUNDS` of each fault (10); `FAULTS`, names with spaces between (all; `default` is the plain Patroni, `asynchronous` the
control, `disk_full` a shard of its own, `quorum` another control, with its guarded twin, on a shard of three members); `CONTINUE=yes` adds to
the rounds of earlier runs, which build/bench/failover-KIND.jsonl keep.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.record import FOLDER, Record
from demo.cluster import (
    REPOSITORY,
    CommandFailedError,
    TimedOutError,
    create_namespace,
    delete_namespace,
    run_visibly,
    say,
)
from demo.release import install, load_images
from faults import clocks, quorum
from faults.figures import summarize
from faults.rounds import Round, do_round
from faults.stage import Stage, set_up
from faults.table import FAULTS, Fault
from faults.updates import UPDATES
from faults.variants import ASYNCHRONOUS, CLOCK_FAULTS, DISK_FULL, default_patroni, stage_on_small_disks

NAMESPACE, DISK_NAMESPACE, QUORUM_NAMESPACE = NAMESPACES = "bench-failover", "bench-full-disk", "bench-quorum"
ROUNDS = 10
KIND_SECONDS = 1800
KINDS = ("rounds", "controls", "defaults")
CONTROL, DEFAULT, FULL_DISK, QUORUM = "asynchronous", "default", "disk_full", quorum.CONTROL.name
ELSEWHERE = {FULL_DISK, QUORUM}
EVERYTHING = (*(fault.name for fault in (*FAULTS, *UPDATES, *CLOCK_FAULTS)), CONTROL, DEFAULT, FULL_DISK, QUORUM)


def measure() -> Sequence[Record]:
    rounds, names = int(os.environ.get("ROUNDS", ROUNDS)), read_names(os.environ.get("FAULTS", ""))
    run_visibly(REPOSITORY / "tests/kind/up", seconds=KIND_SECONDS)
    if os.environ.get("CONTINUE") != "yes":
        for kind in KINDS:
            path(kind).unlink(missing_ok=True)
    images = load_images()
    with fresh_namespaces():
        install(images, NAMESPACES)
        if set(names) - ELSEWHERE:
            play(set_up(NAMESPACE, images.flights), rounds, names)
        if FULL_DISK in names:
            fill_disks(images.flights, rounds)
        if QUORUM in names:
            play_quorum(images.flights, rounds)
    return summarize(*(read(kind) for kind in KINDS))


def read_names(text: str) -> Sequence[str]:
    """Raises ValueError for a name that nothing has, before anything is done."""
    names = text.split() or EVERYTHING
    if unknown := sorted(set(names) - set(EVERYTHING)):
        raise ValueError(f"FAULTS: no fault is called {', '.join(unknown)}; there are {', '.join(EVERYTHING)}")
    return names


@contextmanager
def fresh_namespaces() -> Iterator[None]:
    for namespace in NAMESPACES:
        delete_namespace(namespace)
        create_namespace(namespace)
    try:
        yield
    finally:
        for namespace in NAMESPACES:
            delete_namespace(namespace)


def fill_disks(image: str, rounds: int) -> None:
    with stage_on_small_disks(DISK_NAMESPACE, image) as stage:
        for _ in range(rounds):
            do_and_keep("rounds", stage, DISK_FULL)
        delete_namespace(DISK_NAMESPACE)


def play_quorum(image: str, rounds: int) -> None:
    """The guarded twin first: it leaves the members as it found them."""
    stage = set_up(QUORUM_NAMESPACE, image, membersPerShard=quorum.MEMBERS)
    for _ in range(rounds):
        do_and_keep("rounds", stage, quorum.GUARDED)
    with quorum.quorum_commit(stage):
        for _ in range(rounds):
            do_and_keep("controls", stage, quorum.CONTROL, is_as_made=False)
            say(stage.members_log())
    delete_namespace(QUORUM_NAMESPACE)


def play(stage: Stage, rounds: int, names: Sequence[str]) -> None:
    """Each fault once, and then again, so that what changes with time falls on all alike."""
    wanted = [fault for fault in (*FAULTS, *UPDATES) if fault.name in names]
    for _ in range(rounds):
        for fault in wanted:
            do_and_keep("rounds", stage, fault)
    clock_faults = [fault for fault in CLOCK_FAULTS if fault.name in names]
    if clock_faults:
        clocks.prepare(stage)
    for fault in clock_faults * rounds:
        do_and_keep("rounds", stage, fault)
    if CONTROL in names:
        for _ in range(rounds):
            do_and_keep("controls", stage, ASYNCHRONOUS, is_synchronous=False)
    if DEFAULT in names:
        with default_patroni(stage) as faults:
            for fault in [fault for _ in range(rounds) for fault in faults]:
                do_and_keep("defaults", stage, fault, is_synchronous=False, is_as_made=False)


def do_and_keep(kind: str, stage: Stage, fault: Fault, is_synchronous: bool = True, is_as_made: bool = True) -> None:
    """A round that broke off says so and is not counted: the shard may stand again for the next.

    `is_as_made`: Patroni's settings are the operator's, and not laid upon them by hand.
    """
    try:
        if is_as_made:
            stage.set_durability(fault.durability)
        done = do_round(stage, fault, is_synchronous)
    except (TimedOutError, CommandFailedError) as error:
        say(f"  {fault.name} broke off: {error}")
        return
    say(f"  {done}")
    if done.came is not fault.expected:
        say(f"  {fault.name}: expected was that {fault.expected}\n{stage.members_log()}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with path(kind).open("a") as file:
        file.write(done.to_line())


def path(kind: str) -> Path:
    return FOLDER / f"failover-{kind}.jsonl"


def read(kind: str) -> list[Round]:
    lines: Iterable[str] = path(kind).read_text().splitlines() if path(kind).exists() else []
    return [Round.of_line(line) for line in lines]
