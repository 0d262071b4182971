"""When the demo did what, so that a figure that lies at some time can be told with what went on then."""

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Diary:
    """What began when, in wall time as the traffic's records have it. The same thing said again is one entry."""

    entries: list[tuple[float, str]] = field(default_factory=list)
    now: Callable[[], float] = time.time

    def note(self, what: str) -> None:
        if not self.entries or self.entries[-1][1] != what:
            self.entries.append((self.now(), what))

    def describe(self, since: float, till: float) -> str:
        """All that went on between the two times; how long the first of it had lasted."""
        first = max(0, bisect_right(self.entries, since, key=lambda entry: entry[0]) - 1)
        last = max(first + 1, bisect_right(self.entries, till, key=lambda entry: entry[0]))
        names = [what for _, what in self.entries[first:last]]
        if not names:
            return "before anything"
        return f"{', '.join(names)} ({since - self.entries[first][0]:.0f} s in)"
