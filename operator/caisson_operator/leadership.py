"""Ends this process before another can lead: a sentence of death that only a renewed Lease puts off.

A thread of its own, since an event loop that hangs (or a process that was stopped and wakes up) cannot be trusted to
end itself. The Lease is renewed beside the main loop, so one that hangs would lead for ever and do nothing: it is ended
too, after a time that no mere load explains. What slips through between waking and ending is refused by the shards: every effect carries its term.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from caisson_operator.telemetry.logs import log_event

_CHECK_SECONDS = 0.1
_BEAT_SECONDS = 0.5
_LOOP_SILENCE_SECONDS = 30.0
_EXIT_CODE = 3

_log = logging.getLogger(__name__)


def end_process(event: str, **fields: Any) -> NoReturn:
    """At once, with nothing cleaned up: whatever this process still did could be after its successor's first step."""
    log_event(_log, logging.ERROR, event, **fields)
    os._exit(_EXIT_CODE)


class LeaderDeadline:
    """Watches `last_renewed` (monotonic seconds of the last renewal's beginning) from a daemon thread."""

    def __init__(
        self,
        last_renewed: Callable[[], float],
        renew_deadline_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        end: Callable[[float], None] = lambda silence: end_process("leadership_deadline_passed", loop_silent=silence),
    ) -> None:
        """`end` is told for how many seconds the event loop has been silent: whether we, or the API server, hung."""
        self._last_renewed, self._deadline_seconds = last_renewed, renew_deadline_seconds
        self._monotonic, self._end = monotonic, end
        self._stopped = threading.Event()
        self._loop_beat = monotonic()

    async def beat_forever(self) -> None:
        """To be run on the event loop that is watched."""
        while True:
            self._loop_beat = self._monotonic()
            await asyncio.sleep(_BEAT_SECONDS)

    def start(self) -> None:
        threading.Thread(target=self._watch, name="leader-deadline", daemon=True).start()

    def stop(self) -> None:
        """After the Lease was released, or is about to be, there is nothing left to guard."""
        self._stopped.set()

    def is_past(self) -> bool:
        now = self._monotonic()
        is_loop_hung = now - self._loop_beat >= _LOOP_SILENCE_SECONDS
        return is_loop_hung or now - self._last_renewed() >= self._deadline_seconds

    def _watch(self) -> None:
        while not self._stopped.wait(_CHECK_SECONDS):
            if self.is_past():
                self._end(round(self._monotonic() - self._loop_beat, 1))
                return
