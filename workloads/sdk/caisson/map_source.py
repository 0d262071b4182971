"""Keeps the shard map fresh: one listening thread a shard, woken by NOTIFY, by a refused statement, or by the clock.

Whoever was refused waits here for news instead of sleeping: `wait_for_news` returns when the map has changed or a
shard's primary has come back.
"""

import contextlib
import logging
import random
import select
import socket
import threading
import time

import psycopg

from caisson.binding import Binding
from caisson.connections import ShardConnection
from caisson.endpoints import Endpoints
from caisson.errors import ConfigurationError
from caisson.refusals import NotConnected
from caisson.shard_map import Address, ShardMap, ShardView, merge
from caisson.view import read_view

CHANNEL = "caisson_map"
REREAD_SECONDS = 5.0
CONNECT_SECONDS = 10.0
LEAST_SECONDS = 0.5
"""A seed is given so much, even at the very deadline: else its silence would hide why it could not be heard before."""
ANSWER_SECONDS = 1.5
"""A listener's server that takes longer is connected to anew, which hurts nobody; it may have a successor by then."""
RECONNECT_SECONDS = (0.05, 0.25)
UNHEARD = (psycopg.Error, NotConnected, ConfigurationError)

log = logging.getLogger("caisson")


class MapSource:
    """The current map, and news of it. Thread-safe; `close` ends every thread."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._pinned: dict[str, Address] = {}
        self._listeners: dict[str, Listener] = {}
        self._news = threading.Condition()
        self.is_closed = False
        self.current = ShardMap()
        self.generation = 0
        self.trouble: dict[str, Exception] = {}
        self.heard: set[str] = set()
        endpoints.on_silence = self._ask_of

    def begin(self, binding: Binding, deadline: float) -> None:
        """Start from the binding: shards by name, or seeds that have to be asked for theirs. May be called again."""
        self._pinned.update(binding.shards)
        for shard, address in binding.shards.items():
            self._listen(shard, address)
        if not binding.shards and not self.heard:
            for seed in binding.seeds:
                self._ask_seed(seed, max(deadline, time.monotonic() + LEAST_SECONDS))

    def absorb(self, view: ShardView) -> None:
        """Hear a shard; start to listen to shards that are new. Raises OldPrimary."""
        self._endpoints.epochs.hear(view.shard, view.timeline)
        with self._news:
            merged = merge(self.current, view, self._pinned)
            if merged is not self.current or view.shard not in self.heard or view.shard in self.trouble:
                self.current = merged
                self.heard.add(view.shard)
                self.trouble.pop(view.shard, None)
                self._announce()
        for shard, address in merged.addresses.items():
            self._listen(shard, address)

    def report(self, shard: str, error: Exception) -> None:
        """Note why a shard cannot be heard (logged once until it is heard again)."""
        with self._news:
            if shard not in self.trouble:
                log.warning("shard_not_heard shard=%s reason=%s", shard, error)
            self.trouble[shard] = error
            self._announce()

    def is_complete(self) -> bool:
        """Whether every shard that is known of has been heard."""
        current = self.current
        return bool(self.heard) and self.heard >= set(current.addresses)

    def ask_again(self) -> None:
        """Have every shard read again now: somebody was refused."""
        for listener in list(self._listeners.values()):
            listener.wake()

    def wait_for_news(self, seen_generation: int, seconds: float) -> bool:
        """Wait until there is news since `seen_generation`, at most `seconds`."""
        with self._news:
            return self._news.wait_for(lambda: self.generation != seen_generation or self.is_closed, seconds)

    def close(self) -> None:
        with self._news:
            self.is_closed = True
            self._announce()
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener.stop()
        for listener in listeners:
            listener.join()

    def _ask_seed(self, seed: Address, deadline: float) -> None:
        try:
            with contextlib.closing(self._endpoints.open_primary(seed, deadline)) as connection:
                view = read_view(connection)
        except UNHEARD as error:
            self.report(f"{seed.host}:{seed.port}", error)
            return
        self.trouble.pop(f"{seed.host}:{seed.port}", None)
        self._pinned[view.shard] = seed
        self.absorb(view)

    def _ask_of(self, silent: ShardConnection) -> None:
        listener = self._listeners.get(silent.epoch.shard) if silent.epoch else None
        if listener is not None:
            listener.wake()

    def _announce(self) -> None:
        self.generation += 1
        self._news.notify_all()

    def _listen(self, shard: str, address: Address) -> None:
        with self._news:
            known = self._listeners.get(shard)
            if self.is_closed or (known is not None and known.address == address):
                return
            self._listeners[shard] = Listener(self, self._endpoints, shard, address)
            self._listeners[shard].start()
        if known is not None:
            known.stop()


class Listener(threading.Thread):
    """Reads one shard's view whenever it may have changed, for as long as the database is open."""

    def __init__(self, source: MapSource, endpoints: Endpoints, shard: str, address: Address) -> None:
        super().__init__(name=f"caisson-map-{shard}", daemon=True)
        self.address = address
        self._source = source
        self._endpoints = endpoints
        self._shard = shard
        self._bell, self._button = socket.socketpair()
        self._is_told_to_end = threading.Event()

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # stopped meanwhile
            self._button.send(b"!", socket.MSG_DONTWAIT)

    def stop(self) -> None:
        self._is_told_to_end.set()
        self.wake()

    def run(self) -> None:
        while not self._is_told_to_end.is_set():
            try:
                self._listen_until_it_breaks()
            except UNHEARD as error:
                self._source.report(self._shard, error)
                self._is_told_to_end.wait(random.uniform(*RECONNECT_SECONDS))
        self._bell.close()
        self._button.close()

    def _listen_until_it_breaks(self) -> None:
        deadline = time.monotonic() + CONNECT_SECONDS
        with contextlib.closing(self._endpoints.open_primary(self.address, deadline)) as connection:
            connection.deadline = time.monotonic() + ANSWER_SECONDS
            connection.execute(f"LISTEN {CHANNEL}")
            self._read(connection)
            self._endpoints.warm(self.address)
            while not self._is_told_to_end.is_set():
                self._read(connection)
                self._wait_for_bell(connection)

    def _read(self, connection: ShardConnection) -> None:
        connection.deadline = time.monotonic() + ANSWER_SECONDS
        for _ in connection.notifies(timeout=0):
            pass
        view = read_view(connection)
        if view.shard != self._shard:
            raise ConfigurationError(f"{self.address.host}:{self.address.port} is {view.shard!r}, not {self._shard!r}")
        self._source.absorb(view)

    def _wait_for_bell(self, connection: ShardConnection) -> None:
        """Wait for a NOTIFY (anything at all from the server), for `wake`, or for the time to read again anyway."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        poll.register(connection, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(REREAD_SECONDS * 1000)}
        if self._bell.fileno() in ready:
            self._bell.recv(4096)
