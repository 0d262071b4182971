"""Expansions on kind whose sources and targets fail over in every phase: the gaps, and what was lost (nothing must be).

Environment: `ROUNDS` (10); `CONTINUE=yes` adds to build/bench/moving.jsonl and moving-broken.jsonl instead of beginning anew.
"""

import os
from collections.abc import Sequence

from bench.kept import Broken, count_broken, forget, keep, keeping_breaks, lines, read_broken
from bench.record import Record
from demo.cluster import REPOSITORY, delete_namespace, run_visibly, say
from demo.release import Images, load_images
from faults.figures import seconds
from faults.moving import MOMENTS, Moved, do_moving_round

NAMESPACE = "bench-moving"
ROUNDS = 10
KIND_SECONDS = 1800
KEPT, BROKEN, KIND = "moving", "moving-broken", "moving_rounds"


def measure() -> Sequence[Record]:
    run_visibly(REPOSITORY / "tests/kind/up", seconds=KIND_SECONDS)
    if os.environ.get("CONTINUE") != "yes":
        forget((KEPT, BROKEN))
    images = load_images()
    for _ in range(int(os.environ.get("ROUNDS", ROUNDS))):
        do_and_keep(images)
    delete_namespace(NAMESPACE)
    return summarize([Moved.of_line(line) for line in lines(KEPT)], read_broken(BROKEN))


def do_and_keep(images: Images) -> None:
    """After one that broke off the next begins with a clean namespace."""
    with keeping_breaks(BROKEN, KIND, "an expansion"):
        done = do_moving_round(NAMESPACE, images)
        keep(KEPT, done.to_line())
        say(f"  {done}")


def summarize(rounds: Sequence[Moved], broken: Sequence[Broken] = ()) -> list[Record]:
    counts = {
        "lost": "rows",
        "doubled": "rows",
        "stale": "reads",
        "mismatches": "rows",
        "failed": "calls",
        "unknown": "calls",
    }
    note = f"of {sum(round_.acknowledged for round_ in rounds)} writes acknowledged through the SDK"
    return [
        *(record for moment in MOMENTS for record in summarize_gaps(moment.name, rounds)),
        *(
            Record(f"moving_{name}", unit, sum(getattr(round_, name) for round_ in rounds), len(rounds), note)
            for name, unit in counts.items()
        ),
        Record(
            "moving_buckets_moved_least",
            "buckets",
            min((round_.buckets_moved for round_ in rounds), default=0),
            len(rounds),
            note,
        ),
        count_broken(KIND, len(rounds), broken),
    ]


def summarize_gaps(moment: str, rounds: Sequence[Moved]) -> list[Record]:
    losses = [loss for round_ in rounds for loss in round_.losses if loss.moment == moment]
    gaps = [loss.gap_seconds for loss in losses if loss.gap_seconds is not None]
    others = sum(loss.is_another_pod for loss in losses)
    still = sum(loss.is_in_its_phases for loss in losses if loss.phase)
    told = sum(bool(loss.phase) for loss in losses)
    note = f"another pod led in {others} of {len(losses)}; still in its phase right after the kill in {still} of {told}"
    return seconds(f"{moment}_gap_s", gaps, note)
