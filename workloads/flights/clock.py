"""One clock for all processes of the traffic: wall time that runs at the monotonic clock's pace.

Records of several processes are compared with each other and with times that the orchestrator took, so they carry wall
time; and latencies are their differences, so it must not jump.
"""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Made once, before the processes are forked."""

    offset_seconds: float

    @classmethod
    def start(cls) -> "Clock":
        return cls(offset_seconds=time.time() - time.monotonic())

    def now(self) -> float:
        """Seconds since 1970, never going back."""
        return self.offset_seconds + time.monotonic()
