"""When an expansion may end, where that can be told from what the status has. Pure.

The copy alone has a pace: its groups are of about equal size, and it begins when the expansion does. How long verifying and
switching take depends on traffic and locks, and no moment at which they began is on record: of these nothing is said.
"""

from datetime import datetime

from .layout import format_seconds
from .resource import Database

_LEAST_GROUPS = 2  # groups are copied side by side on several routes: the first one alone tells no pace


def describe_estimate(database: Database, now: datetime) -> str | None:
    """None where no honest figure exists."""
    expansion = database.expansion
    if expansion is None or expansion.phase != "Copying" or database.is_paused or expansion.started_at is None:
        return None
    total, copied = expansion.groups.get("total", 0), expansion.groups.get("copied", 0)
    elapsed = (now - expansion.started_at).total_seconds()
    if not _LEAST_GROUPS <= copied < total or elapsed <= 0:
        return None
    left = format_seconds(elapsed * (total - copied) / copied)
    return (
        f"about {left} of copying left at the pace so far ({copied} of {total} groups in {format_seconds(elapsed)}); "
        "verifying and switching follow"
    )
