"""When to try again, and with which error to give up. Waits for news of the map, with a short jittered cap."""

import random
import time

from caisson.attempt import InDoubt, Refused
from caisson.errors import Moved, NoPrimary, OutcomeUnknown, Unavailable
from caisson.map_source import MapSource
from caisson.outcome import Verdict

FIRST_WAIT_SECONDS = 0.01
LONGEST_WAIT_SECONDS = 0.4
NEWS_SECONDS = 0.1
"""How long a bucket's new owner is given to announce itself, before it is asked whether its notice was missed."""
ATTEMPTS_IN_TIMEOUT = 3
SHORTEST_ATTEMPT_SECONDS = 0.05
"""With less time left than this nothing is sent any more: a healthy server would look silent, an outcome unknown."""


class Pacing:
    """The attempts of one operation: its deadline, its waits, and whether one of them ended in doubt."""

    def __init__(self, source: MapSource, timeout_seconds: float, *, is_repeatable: bool) -> None:
        self.deadline = time.monotonic() + timeout_seconds
        self._source = source
        self._timeout_seconds = timeout_seconds
        self._is_repeatable = is_repeatable
        self._is_in_doubt = False
        self._wait_seconds = FIRST_WAIT_SECONDS
        self._generation = source.generation
        self._began = time.monotonic()

    def begin_attempt(self) -> None:
        """Call before the map is looked at: news after this moment ends the wait."""
        self._generation = self._source.generation
        self._began = time.monotonic()

    @property
    def attempt_deadline(self) -> float:
        """When a silent server is given up. What may be repeated leaves time for the server that takes over."""
        if not self._is_repeatable:
            return self.deadline
        return min(self.deadline, self._began + self._timeout_seconds / ATTEMPTS_IN_TIMEOUT)

    def after(self, failure: Refused | InDoubt) -> None:
        """Wait for the next attempt, or raise the error that the operation ends with."""
        if isinstance(failure, InDoubt):
            self._is_in_doubt = True
            if not self._is_repeatable:
                raise OutcomeUnknown(f"{failure}; without an idempotency_key it is not tried again") from failure
        self._wait(failure, self.deadline - time.monotonic())
        if self._source.is_closed or self.deadline - time.monotonic() < SHORTEST_ATTEMPT_SECONDS:
            raise self._final(failure) from failure

    def _wait(self, failure: Refused | InDoubt, remaining: float) -> None:
        match failure:
            case Refused(verdict=Verdict.CONFLICT):
                time.sleep(self._next_wait(remaining))  # the other transaction does not tell when it is done
            case Refused(verdict=Verdict.MOVED):
                # To ask at once would have every client read every shard again and again in the middle of a switch.
                if not self._source.wait_for_news(self._generation, min(NEWS_SECONDS, remaining)):
                    self._source.ask_again()
            case _:
                self._source.ask_again()
                self._source.wait_for_news(self._generation, self._next_wait(remaining))

    def _next_wait(self, remaining: float) -> float:
        seconds = max(0.0, min(self._wait_seconds * random.uniform(0.5, 1.5), remaining))
        self._wait_seconds = min(self._wait_seconds * 2, LONGEST_WAIT_SECONDS)
        return seconds

    def _final(self, failure: Refused | InDoubt) -> Exception:
        after = "the database was closed" if self._source.is_closed else f"gave up after {self._timeout_seconds:g} s"
        if self._is_in_doubt:
            return OutcomeUnknown(f"{after}, in doubt: {failure}", has_idempotency_key=self._is_repeatable)
        match failure:
            case Refused(verdict=Verdict.MOVED):
                return Moved(f"{after}; nothing was done: {failure}")
            case Refused(verdict=Verdict.NO_PRIMARY | Verdict.LOST):
                return NoPrimary(f"{after}; nothing was done: {failure}")
            case _:
                return Unavailable(f"{after}; nothing was done: {failure}")
