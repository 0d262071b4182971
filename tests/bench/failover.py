"""The faults of tests/faults on kind, round by round: how long writes stood still, what was lost, and what a plain Patroni does.

Environment: `ROUNDS` of each fault (10); `FAULTS`, names with spaces between (all; `default` is the plain Patroni, `asynchronous` the
control, `disk_full` a shard of its own, `quorum` another control, with its guarded twin, on a shard of three members); `CONTINUE=yes` adds to
the rounds of earlier runs, which build/bench/failover-KIND.jsonl keep, and those that broke off failover-broken.jsonl.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from bench.kept import forget, keep, keeping_breaks, lines, read_broken
from bench.record import Record
from demo.cluster import REPOSITORY, CommandFailedError, create_namespace, delete_namespace, run_visibly, say
from demo.release import install, load_images
from faults import clocks, quorum
from faults.fault import Fault
from faults.figures import KINDS, summarize
from faults.rounds import Round, do_round
from faults.stage import Stage, set_up
from faults.table import FAULTS
from faults.updates import UPDATES
from faults.variants import ASYNCHRONOUS, CLOCK_FAULTS, DISK_FULL, default_patroni, stage_on_small_disks
from faults.verdict import judge

NAMESPACE, DISK_NAMESPACE, QUORUM_NAMESPACE = NAMESPACES = "bench-failover", "bench-full-disk", "bench-quorum"
ROUNDS = 10
KIND_SECONDS = 1800
BROKEN = "failover-broken"
CONTROL, DEFAULT, FULL_DISK, QUORUM = "asynchronous", "default", "disk_full", quorum.CONTROL.name
ELSEWHERE = {FULL_DISK, QUORUM}
EVERYTHING = (*(fault.name for fault in (*FAULTS, *UPDATES, *CLOCK_FAULTS)), CONTROL, DEFAULT, FULL_DISK, QUORUM)


def measure() -> Sequence[Record]:
    rounds, names = int(os.environ.get("ROUNDS", ROUNDS)), read_names(os.environ.get("FAULTS", ""))
    run_visibly(REPOSITORY / "tests/kind/up", seconds=KIND_SECONDS)
    if os.environ.get("CONTINUE") != "yes":
        forget((BROKEN, *map(kept_in, KINDS)))
    images = load_images()
    with fresh_namespaces():
        install(images, NAMESPACES)
        if set(names) - ELSEWHERE:
            play(set_up(NAMESPACE, images.flights), rounds, names)
        if FULL_DISK in names:
            fill_disks(images.flights, rounds)
        if QUORUM in names:
            play_quorum(images.flights, rounds)
    played, controls, defaults = map(read, KINDS)
    return summarize(played, controls, defaults, read_broken(BROKEN))


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
    """`is_as_made`: Patroni's settings are the operator's, and not laid upon them by hand."""
    with keeping_breaks(BROKEN, kind, fault.name):
        if is_as_made:
            stage.set_durability(fault.durability)
        done = do_round(stage, fault, is_synchronous)
        keep(kept_in(kind), done.to_line())
        say(f"  {done}")
        if kind == "rounds" and (complaints := judge(fault, done)):
            say(f"  {fault.name} ended otherwise: {'; '.join(complaints)}")
            with suppress(CommandFailedError):  # The round is kept, and must not count as one that broke off too.
                say(stage.members_log())


def kept_in(kind: str) -> str:
    return f"failover-{kind}"


def read(kind: str) -> list[Round]:
    return [Round.of_line(line) for line in lines(kept_in(kind))]
