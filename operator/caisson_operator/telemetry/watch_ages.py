"""How long ago each kind's watch last brought anything: an age that grows by itself between two scrapes."""

from collections.abc import Callable

from .metrics import Metrics


class WatchAges:
    def __init__(self, metrics: Metrics, monotonic: Callable[[], float]) -> None:
        self._metrics, self._monotonic = metrics, monotonic
        self._heard_at: dict[str, float] = {}

    def heard(self, kind: str) -> None:
        is_first = kind not in self._heard_at
        self._heard_at[kind] = self._monotonic()
        if is_first:
            self._metrics.watch_age.labels(kind).set_function(lambda: self._monotonic() - self._heard_at[kind])
