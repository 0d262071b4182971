"""How many rows an expansion has copied, about how many there are, and how long the rest may take. For people; nothing hangs on it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from .switch_groups import GroupView

LEAST_SHARE = 0.02  # of the rows: before that the pace is that of the beginning


@dataclass(frozen=True, slots=True)
class CopyProgress:
    rows: int
    rows_total: int | None
    """An estimate, from the sources' statistics. None where not every group can be seen."""

    def estimate_seconds_left(self, elapsed_seconds: float) -> int | None:
        """At the pace so far. None where that cannot be told."""
        if not self.rows_total or elapsed_seconds <= 0:
            return None
        if not LEAST_SHARE * self.rows_total <= self.rows < self.rows_total:
            return None
        return _round(elapsed_seconds * (self.rows_total - self.rows) / self.rows)


def _round(seconds: float) -> int:
    """No finer than it is known, so that a status does not change at every look."""
    step = 10 if seconds < 120 else 60
    return max(step, round(seconds / step) * step)


def measure_copy(views: Sequence[GroupView], groups: int) -> CopyProgress:
    """`groups` are those that the expansion has, `views` those of them that can be seen."""
    copied = [_count_copied(view) for view in views]
    totals = [max(_estimate_total(view), rows) for view, rows in zip(views, copied, strict=True)]
    return CopyProgress(sum(copied), sum(totals) if len(views) == groups else None)


def _count_copied(view: GroupView) -> int:
    """What was counted when the group was verified; before that, what its subscription has brought so far."""
    if view.record and view.record.rows:
        return view.record.rows
    return sum(view.target.rows_arrived.get(leaf.name, 0) for leaf in view.group.leaves)


def _estimate_total(view: GroupView) -> int:
    """Once a group is verified its rows are counted, and in the end its old leaves are gone."""
    if view.record and view.record.is_verified:
        return view.record.rows
    return sum(view.source.row_estimates.get(leaf.name, 0) for leaf in view.group.leaves)
