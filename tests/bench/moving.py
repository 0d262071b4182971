"""Expansions on kind whose sources and targets fail over in every phase: the gaps, and what was lost (nothing must be).

Environment: `ROUNDS` (10); `CONTINUE=yes` adds to build/bench/moving.jsonl instead of beginning anew.
"""

import os
from collections.abc import Sequence

from bench.record import FOLDER, Record
from demo.cluster import REPOSITORY, CommandFailedError, TimedOutError, delete_namespace, run_visibly, say
from demo.release import install, load_images
from faults.figures import seconds
from faults.moving import MOMENTS, Moved, do_moving_round

NAMESPACE = "bench-moving"
ROUNDS = 10
KIND_SECONDS = 1800
KEPT = FOLDER / "moving.jsonl"


def measure() -> Sequence[Record]:
    run_visibly(REPOSITORY / "tests/kind/up", seconds=KIND_SECONDS)
    if os.environ.get("CONTINUE") != "yes":
        KEPT.unlink(missing_ok=True)
    images = load_images()
    install(images, [NAMESPACE])
    for _ in range(int(os.environ.get("ROUNDS", ROUNDS))):
        do_and_keep(images.flights)
    delete_namespace(NAMESPACE)
    return summarize([Moved.of_line(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else [])


def do_and_keep(image: str) -> None:
    """A round that broke off says so and is not counted: the next begins with a clean namespace."""
    try:
        done = do_moving_round(NAMESPACE, image)
    except (TimedOutError, CommandFailedError) as error:
        say(f"  the round broke off: {error}")
        return
    say(f"  {done}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with KEPT.open("a") as file:
        file.write(done.to_line())


def summarize(rounds: Sequence[Moved]) -> list[Record]:
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
    ]


def summarize_gaps(moment: str, rounds: Sequence[Moved]) -> list[Record]:
    losses = [loss for round_ in rounds for loss in round_.losses if loss.moment == moment]
    gaps = [loss.gap_seconds for loss in losses if loss.gap_seconds is not None]
    others = sum(loss.is_another_pod for loss in losses)
    return seconds(f"{moment}_gap_s", gaps, f"another pod led in {others} of {len(losses)}")
