"""Structured logs: one JSON object a line, when something has changed and not at each of five looks a second."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any


def print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Report:
    """Remembers what it said last: the same event for the same reason is not news."""

    def __init__(self, write: Callable[[str], None] = print_line, **always: Any) -> None:
        self._write, self._always = write, always
        self._last: tuple[str, ...] = ()

    def tell(self, event: str, *reason: str, **fields: Any) -> None:
        """`reason` decides whether it is news; `fields` (times, versions) do not."""
        if (event, *reason) == self._last:
            return
        self._last = (event, *reason)
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        if reason:
            entry["reason"] = ": ".join(reason)
        self._write(json.dumps({**entry, **self._always, **fields}, default=str))
