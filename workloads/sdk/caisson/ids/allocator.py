"""The facade: one way to open an allocator, whatever its mode and its store."""

import os
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from caisson.errors import ConfigurationError
from caisson.ids.clock import Clocks
from caisson.ids.layout import UNIX_EPOCH, Decoded
from caisson.ids.opening import Place, open_source
from caisson.ids.options import Options
from caisson.ids.source import Source
from caisson.ids.uuid7 import milliseconds_of


class IdAllocator:
    """Hands out ids that nobody else of its space gets. Thread-safe; close it, or use it in a `with`.

    Open it after a fork, not before: in a forked child every call raises ConfigurationError.
    """

    def __init__(self, source: Source, options: Options) -> None:
        self.options = options
        self._source = source
        self.next = source.next
        """The next id: an `int`, or a `uuid.UUID` in mode uuid7. Raises NoIds when there is none within `timeout` seconds."""
        _forget_in_children(source)

    @classmethod
    def connect(
        cls,
        name: str | None = None,
        *,
        binding: str | Path | None = None,
        dsn: str | None = None,
        url: str | None = None,
        clocks: Clocks | None = None,
        **settings: Any,
    ) -> Self:
        """Open an allocator by its binding's name or directory, or on a server of your own.

        `dsn` is a PostgreSQL connection string (snowflake, segment), `url` one of `zookeeper://` (snowflake) or `redis://`
        (redis). `settings` are those of Options (`mode`, `space`, `layout`, `max_rollback`, `reserve`, `provision`, `most_step`,
        `timeout`), and win over the binding's. Raises ConfigurationError, or NoIds where the store does not answer in time.
        """
        place = Place.of(name, binding, dsn, url, settings.get("mode"))
        options = place.options.with_arguments(**settings)
        return cls(open_source(place, options, clocks or Clocks()), options)

    @property
    def allocated(self) -> int:
        """How many ids this object has handed out (metric `id_allocated_total`)."""
        return self._source.allocated

    @property
    def rollbacks(self) -> int:
        """How often the wall clock was seen to go back (metric `id_clock_rollback_total`)."""
        return self._source.rollbacks

    @property
    def worker_ids(self) -> tuple[int, int] | None:
        """How many worker ids of the space are leased, as counted every two leases, and how many there are; None but in mode
        snowflake, and until it is known."""
        return self._source.worker_ids

    def take(self, count: int) -> list[Any]:
        """So many ids, ascending. Raises NoIds, and then hands out none."""
        if count < 0:
            raise ConfigurationError(f"take({count}): the number of ids is not negative")
        return self._source.take(count)

    def decode(self, id: int | UUID) -> Decoded:
        """When and by whom an id was made. Raises ConfigurationError where ids do not say (segment, redis)."""
        if isinstance(id, UUID):
            at = UNIX_EPOCH.fromtimestamp(milliseconds_of(id) / 1000, UNIX_EPOCH.tzinfo)
            return Decoded(at, worker=0, sequence=0)
        if self.options.mode != "snowflake":
            raise ConfigurationError(f"an id of mode {self.options.mode} says neither when nor by whom it was made")
        return self.options.layout.decode(id)

    def close(self) -> None:
        """End the lease and the threads. Ids that were not handed out are left out for ever."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


_open: "weakref.WeakSet[Any]" = weakref.WeakSet()


def _forget_in_children(source: Source) -> None:
    _open.add(source)


def _abandon_all() -> None:
    for source in list(_open):
        source.abandon()


os.register_at_fork(after_in_child=_abandon_all)
