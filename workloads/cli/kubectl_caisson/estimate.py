"""When an expansion may end, where the operator can tell it. Pure.

The copy alone has a pace, and the operator's own estimate of it is shown. How long verifying and switching take depends on traffic and
locks, and no moment at which they began is on record: of these nothing is said.
"""

from .layout import format_seconds
from .resource import Database


def describe_estimate(database: Database) -> str | None:
    """None where no honest figure exists."""
    expansion = database.expansion
    if expansion is None or expansion.copy_seconds_left is None or database.is_paused:
        return None
    left = format_seconds(expansion.copy_seconds_left)
    return f"about {left} of copying left at the pace so far; verifying and switching follow"
