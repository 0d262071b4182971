"""The demo from beginning to end, one step after the other, with a line of progress for each change."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from demo.application import Application
from demo.cluster import create_namespace, delete_namespace, say
from demo.database import Database, demo_spec
from demo.diary import Diary
from demo.losing import Failover, lose_primary
from demo.musts import Figures, Wanted
from demo.release import install, load_images

T = TypeVar("T")
FLIGHTS = 336_776
PLANES = 3_322
NAMESPACE = "demo"
VICTIM = "s0"
WARM_UP_WRITES = 2_000
WRITES_AFTER_FAILOVER = 5_000


@dataclass(frozen=True, slots=True)
class Story:
    """How large the demo is."""

    flights: int = FLIGHTS
    from_shards: int = 2
    to_shards: int = 4
    is_paced: bool = True

    @property
    def wanted(self) -> Wanted:
        """Half of 64 buckets move from two shards to four, in as many steps as the resource says."""
        spec = demo_spec()
        buckets: int = spec["tables"][0]["buckets"]
        moved = buckets - buckets * self.from_shards // self.to_shards
        gaps = spec["expansion"]["switchGroups"] - 1 if self.is_paced else 0
        return Wanted(self.flights + PLANES, moved, gaps)


@dataclass(frozen=True, slots=True)
class Expansion:
    """The end of an expansion, and how fast rows were copied."""

    status: dict[str, Any]
    copy_rows_per_second: float


def tell(story: Story) -> Figures:
    """Runs it all; raises where a step does not end."""
    diary = Diary()

    def step(what: str, action: Callable[[], T]) -> T:
        diary.note(what)
        return timed(what, action)

    images = step("images", load_images)
    step("a clean namespace", lambda: delete_namespace(NAMESPACE))
    create_namespace(NAMESPACE)
    step("the operator", lambda: install(images, [NAMESPACE]))
    database, application = Database(NAMESPACE), Application(NAMESPACE, images.flights)
    database.apply(demo_spec(shards=story.from_shards))
    step("the database", lambda: database.wait_ready(300, story.from_shards))
    seconds = step("the load", lambda: application.load(300, progress))
    say(f"  {story.flights + PLANES} rows in {seconds:.0f} s")
    step("the traffic", lambda: application.start_traffic(90))
    try:
        application.wait_writes(WARM_UP_WRITES, 60)
        expansion = step("the expansion", lambda: expand(database, application, diary, story.to_shards))
        failover = step("the failover", lambda: fail_over(database, application))
        step("the end of the traffic", application.stop_traffic)
    except BaseException:
        application.remove_traffic()
        raise
    report = step("the check", lambda: application.check("--kill", f"{VICTIM}@{failover.killed_at:.3f}"))
    show_faults(application, report)
    return build_figures(expansion, failover, report, diary)


def timed(what: str, action: Callable[[], T]) -> T:
    """One step, and how long it took."""
    started = time.monotonic()
    say(f"{what} ...")
    value = action()
    say(f"{what}: {time.monotonic() - started:.0f} s")
    return value


def progress(text: str) -> None:
    """The same line again and again on a terminal; else only what is new would be worth a line, and a log keeps none."""
    if text and sys.stderr.isatty():
        print(f"\r\x1b[K  {text}", end="", file=sys.stderr, flush=True)


def expand(database: Database, application: Application, diary: Diary, shards: int) -> Expansion:
    """`kubectl scale`, then every change of the status until it is completed."""
    copying = CopyClock()
    database.scale(shards)

    def show(status: dict[str, Any]) -> None:
        copying.observe(status, time.monotonic())
        diary.note(status.get("phase", "not begun"))
        traffic = application.status()
        rate = traffic["writes_per_second"][-1:] or [0]
        say(f"  {describe_expansion(status)}; {rate[0]} writes/s, {traffic['writes_failed']} failed")

    status = database.follow_expansion(lambda seen: seen.get("phase") == "Completed", 600, show)
    return Expansion(status, copying.rows_per_second)


@dataclass(slots=True)
class CopyClock:
    """How fast rows were copied: from the first look that showed Copying to the first that shows a later phase."""

    began_at: float | None = None
    ended_at: float | None = None
    rows: int = 0

    def observe(self, status: dict[str, Any], now: float) -> None:
        if self.ended_at is not None:
            return
        if status.get("phase") == "Copying":
            self.began_at = self.began_at if self.began_at is not None else now
        elif self.began_at is not None:
            self.ended_at = now
        self.rows = max(self.rows, status.get("rowsCopied", 0))

    @property
    def rows_per_second(self) -> float:
        if self.began_at is None or self.ended_at is None:
            return 0.0
        return self.rows / (self.ended_at - self.began_at)


def describe_expansion(status: dict[str, Any]) -> str:
    groups, buckets = status.get("switchGroups", {}), status.get("buckets", {})
    return (
        f"{status.get('phase', 'not begun'):<13} groups copied {groups.get('copied', 0)},"
        f" verified {groups.get('verified', 0)}, switched {groups.get('switched', 0)} of {groups.get('total', 0)};"
        f" buckets moved {buckets.get('moved', 0)} of {buckets.get('total', 0)}; rows copied {status.get('rowsCopied', 0)}"
    )


def fail_over(database: Database, application: Application) -> Failover:
    """Loses a primary, and waits for traffic on the next one. Whether that is another pod is a must like others."""
    failover = lose_primary(database, VICTIM)
    application.wait_writes(WRITES_AFTER_FAILOVER, 120)
    return failover


def show_faults(application: Application, report: dict[str, Any]) -> None:
    """What a person needs when a must is missed."""
    for finding in report["findings"]:
        say(f"  found: {finding['fault']}: {finding['subject']}: {finding['detail']}")
    if report["writes_failed"] or report["writes_unknown"] or report["reads_failed"]:
        say(application.complaints())


def build_figures(expansion: Expansion, failover: Failover, report: dict[str, Any], diary: Diary) -> Figures:
    between, poorest = report["between_switches"], report["poorest_window"]
    return Figures(
        rows=report["rows_found"],
        buckets_moved=report["buckets_moved"],
        copy_rows_per_second=round(expansion.copy_rows_per_second, 1),
        pause_ms_p99=round(report["pauses"]["p99_ms"], 1),
        pause_ms_max=round(report["pauses"]["max_ms"], 1),
        statements_failed=report["writes_failed"] + report["writes_unknown"] + report["reads_failed"],
        writes_acknowledged=report["writes_acknowledged"],
        writes_lost=report["writes_lost"],
        writes_duplicated=report["writes_duplicated"],
        stale_strong_reads=report["stale_strong_reads"],
        verify_mismatches=report["mismatches"] + expansion.status.get("mismatches", 0),
        failover_seconds=rounded(report["failovers"][0]["seconds"]),
        writes_unknown=report["writes_unknown"],
        join_mismatches=report["join_mismatches"],
        lowest_writes_per_second=round(poorest["per_second"], 1),
        lowest_writes_during=diary.describe(poorest["began_at"], poorest["ended_at"]),
        least_writes_between_switches=between["least_writes"],
        least_reads_between_switches=between["least_reads"],
        switch_gaps=between["gaps"],
        writes_held_up=report["pauses"]["writes"],
        another_pod_leads=failover.is_another_pod,
        timeline_before=failover.before.timeline,
        timeline_after=failover.after.timeline,
    )


def rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
