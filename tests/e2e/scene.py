"""A database under traffic, and what the checker must know and find of it in the end."""

from dataclasses import dataclass, field
from typing import Any

from demo.application import Application
from demo.database import Database

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
