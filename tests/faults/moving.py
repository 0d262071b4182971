"""An expansion of which a source and a target fail over in every phase: it goes on by itself, and loses nothing."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from demo.application import Application
from demo.cluster import create_namespace, delete_namespace, say
from demo.database import Database, demo_spec
from demo.losing import lose_primary
from demo.release import Images, install
from demo.story import describe_expansion

ROWS = 100_000
FROM_SHARDS, TO_SHARDS = 2, 4
EXPANSION_SECONDS = 300
WRITES_AFTERWARDS = 1_000
TRAFFIC = ("--writes-per-second", "120", "--reads-per-second", "60")


@dataclass(frozen=True, slots=True)
class Moment:
    """Which shard's primary is lost, its part in the expansion, and in which phases."""

    shard: str
    role: str
    phases: tuple[str, ...]

    @property
    def name(self) -> str:
        """The phase that it is told under is the first one."""
        return f"{self.role}_lost_while_{self.phases[0].lower()}"


# Both sides are written from the end of the copy until the switch, while rows are compared too.
BOTH_WRITTEN = ("DualWriting", "Verifying")
MOMENTS = (
    Moment("s0", "source", ("Copying",)),
    Moment("s2", "target", ("Copying",)),
    Moment("s1", "source", BOTH_WRITTEN),
    Moment("s3", "target", BOTH_WRITTEN),
    Moment("s0", "source", ("Switching",)),
    Moment("s2", "target", ("Switching",)),
)


@dataclass(frozen=True, slots=True)
class Loss:
    """One primary lost. `gap_seconds`: the longest silence of its shard; None where it owned no bucket, so nobody wrote.

    `phase`: what the status told right after the kill was sent, which may be a later one; empty where nobody looked.
    """

    moment: str
    shard: str
    killed_at: float
    is_another_pod: bool
    gap_seconds: float | None = None
    phase: str = ""

    @property
    def is_in_its_phases(self) -> bool:
        return any(self.phase in moment.phases for moment in MOMENTS if moment.name == self.moment)


@dataclass(frozen=True, slots=True)
class Moved:
    """A round. `mismatches`: whatever the checker found beside what is counted by itself, and the operator's own verification."""

    losses: tuple[Loss, ...]
    buckets_moved: int
    acknowledged: int
    lost: int
    doubled: int
    stale: int
    mismatches: int
    failed: int
    unknown: int

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of_line(cls, line: str) -> "Moved":
        told = json.loads(line)
        return cls(**{**told, "losses": tuple(Loss(**loss) for loss in told["losses"])})


def do_moving_round(namespace: str, images: Images) -> Moved:
    """In a namespace made anew, the operator's rights in it too; raises TimedOutError where the expansion does not go on by itself."""
    delete_namespace(namespace)
    create_namespace(namespace)
    install(images, [namespace])
    database, application = Database(namespace), Application(namespace, images.flights, ROWS)
    database.apply(demo_spec(shards=FROM_SHARDS))
    database.wait_ready(EXPANSION_SECONDS, FROM_SHARDS)
    application.load(120, lambda _: None)
    application.start_traffic(90, *TRAFFIC)
    database.scale(TO_SHARDS)
    losses = [lose(database, moment) for moment in MOMENTS]
    expansion = wait_phase(database, ("Completed",))
    application.wait_writes(WRITES_AFTERWARDS, 120)
    application.stop_traffic()
    report = application.check(*(word for loss in losses for word in ("--kill", f"{loss.shard}@{loss.killed_at:.3f}")))
    return read_round(losses, report, expansion)


def lose(database: Database, moment: Moment) -> Loss:
    phases: list[str] = []
    failover = lose_primary(
        database,
        moment.shard,
        lambda: wait_phase(database, moment.phases),
        lambda: phases.append(database.expansion().get("phase", "")),
    )
    return Loss(moment.name, moment.shard, failover.killed_at, failover.is_another_pod, phase=phases[0])


def wait_phase(database: Database, phases: Sequence[str]) -> dict[str, Any]:
    return database.follow_expansion(
        lambda seen: seen.get("phase") in phases, EXPANSION_SECONDS, lambda seen: say(f"  {describe_expansion(seen)}")
    )


def read_round(losses: Sequence[Loss], report: dict[str, Any], expansion: dict[str, Any]) -> Moved:
    """The checker tells failovers in the order in which it was given the kills."""
    told = [
        replace(loss, gap_seconds=failover["seconds"])
        for loss, failover in zip(losses, report["failovers"], strict=True)
    ]
    return Moved(
        losses=tuple(told),
        buckets_moved=report["buckets_moved"],
        acknowledged=report["writes_acknowledged"],
        lost=report["writes_lost"],
        doubled=report["writes_duplicated"],
        stale=report["stale_strong_reads"],
        mismatches=report["mismatches"] + report["join_mismatches"] + expansion.get("mismatches", 0),
        failed=report["writes_failed"] + report["reads_failed"],
        unknown=report["writes_unknown"],
    )
