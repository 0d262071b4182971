"""A database under traffic, and what the checker must know and find of it in the end."""

from dataclasses import dataclass, field
from typing import Any

from demo.application import Application
from demo.cluster import say
from demo.database import Database, demo_spec

PLANES = 3_322  # the application loads all of them, however few flights


@dataclass(slots=True)
class Scene:
    """The database, its traffic, and the primaries that were lost, for the checker: (shard, seconds since 1970)."""

    database: Database
    application: Application
    losses: list[tuple[str, float]] = field(default_factory=list)

    def check(self, flights: int) -> dict[str, Any]:
        """Stops the traffic. Nothing lost, doubled or stale, nothing failed, every row there; returns the whole report."""
        self.application.stop_traffic()
        kills = [word for shard, at in self.losses for word in ("--kill", f"{shard}@{at:.3f}")]
        report = self.application.check(*kills)
        assert report["findings"] == []
        failed = (report["writes_failed"], report["writes_unknown"], report["reads_failed"])
        assert failed == (0, 0, 0), self.application.complaints()
        assert report["rows_found"] == flights + PLANES
        return report


def set_up_shard(namespace: str, image: str, rows: int, writes_per_second: int) -> Scene:
    """One protected shard of two members, loaded, under traffic."""
    database, application = Database(namespace), Application(namespace, image, rows)
    database.apply(demo_spec(shards=1))
    database.wait_ready(240, 1)
    database.wait_condition("Unprotected", "False", 120, "Protected")
    application.load(120, say)
    application.start_traffic(90, "--writes-per-second", str(writes_per_second), "--reads-per-second", "40")
    return Scene(database, application)
