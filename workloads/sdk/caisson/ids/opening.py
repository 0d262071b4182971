"""From where an allocator's store is, to a source of ids that runs: which store, which mode, which threads."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from caisson.binding import (
    ROOT_VARIABLE,
    Reader,
    binding_reader,
    find_authority,
    find_directory,
    read_entry,
    read_server,
)
from caisson.errors import ConfigurationError, NoIds
from caisson.ids.clock import SECOND_NS, Clocks
from caisson.ids.grants import NotReachable, WorkerStore
from caisson.ids.keeper import Keeper
from caisson.ids.options import Options, read_options
from caisson.ids.postgres_segments import PostgresSegments
from caisson.ids.postgres_session import PostgresSession
from caisson.ids.postgres_workers import PostgresWorkers
from caisson.ids.redis_ids import RedisIds
from caisson.ids.segment import Segments
from caisson.ids.snowflake import Snowflake
from caisson.ids.source import Source
from caisson.ids.uuid7 import Uuid7
from caisson.ids.zookeeper_workers import ZooKeeperWorkers
from caisson.locks.redis_dialing import dial_primary, read_binding, read_url
from caisson.locks.redis_link import Link
from caisson.locks.zookeeper.client import Client

AGAIN_SECONDS = 0.1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the store is: a binding's directory, or what the caller gave. `backend` is database, zookeeper, redis or none."""

    options: Options
    backend: str
    path: Path | None = None
    dsn: str | None = None
    url: str | None = None

    @classmethod
    def of(
        cls, name: str | None, binding: str | Path | None, dsn: str | None, url: str | None, mode: str | None
    ) -> "Place":
        """Exactly one of the four, or none for mode uuid7. Raises ConfigurationError."""
        given = [each for each in (name, binding, dsn, url) if each is not None]
        if not given and mode == "uuid7":
            return cls(Options(mode=mode), "none")
        if len(given) != 1:
            raise ConfigurationError(
                "say where the allocator is: one of a binding's name, binding=path, dsn=... or url=..."
            )
        if dsn is not None:
            return cls(Options(), "database", dsn=dsn)
        if url is not None:
            return cls(*_of_url(url), url=url)
        path = Path(binding) if binding is not None else find_binding(str(name))
        return cls(read_options(path), read_entry(path, "backend", "none"), path=path)

    def postgres(self) -> Reader:
        if self.dsn is not None:
            return binding_reader(None, None, self.dsn)
        path = self.must_have_path()
        return lambda: read_server(path)

    def must_have_path(self) -> Path:
        if self.path is None:
            raise ConfigurationError("there is no binding to read")
        return self.path


def open_source(place: Place, options: Options, clocks: Clocks) -> Source:
    """A source of ids with its threads running, the first ids in hand. Raises ConfigurationError, NoIds."""
    match options.mode, place.backend:
        case "uuid7", _:
            return Uuid7(clocks)
        case "snowflake", "database":
            session = PostgresSession(place.postgres())
            _insist(lambda: session.keep_space(options.space, "snowflake", str(options.layout)), options.timeout)
            return _open_snowflake(PostgresWorkers(session, options.space, options.layout.workers), options, clocks)
        case "snowflake", "zookeeper":
            store = _insist(lambda: _open_zookeeper(place, options), options.timeout)
            return _open_snowflake(store, options, clocks)
        case "segment", "database":
            session = PostgresSession(place.postgres())
            _insist(lambda: session.keep_space(options.space, "segment", "from 1"), options.timeout)
            return _open_segments(session, options, clocks)
        case "redis", "redis":
            return _open_redis(place, options)
    raise ConfigurationError(f"mode {options.mode} does not work with backend {place.backend!r}")


def _open_snowflake(store: WorkerStore, options: Options, clocks: Clocks) -> Snowflake:
    keeper = Keeper(store, clocks, round(options.reserve * 1000))
    keeper.step()
    if isinstance(keeper.trouble, ConfigurationError):
        store.close()
        raise keeper.trouble
    source = Snowflake(options.layout, keeper, clocks, round(options.max_rollback * SECOND_NS), options.timeout)
    keeper.start()
    return source


def _open_segments(session: PostgresSession, options: Options, clocks: Clocks) -> Segments:
    source = Segments(PostgresSegments(session, options.space), clocks, options.provision, options.timeout)
    source.step()
    source.start()
    return source


def _open_redis(place: Place, options: Options) -> RedisIds:
    """Its script is tried once, so that a wrong address or password shows here."""
    url, path = place.url, place.path
    dial = dial_primary(
        (lambda: read_url(url)) if url else (lambda: read_binding(place.must_have_path())), options.timeout / 3
    )
    source = RedisIds(Link(dial), options.space, options.most_step, options.timeout, is_managed=path is not None)
    source.next()
    return source


def _open_zookeeper(place: Place, options: Options) -> ZooKeeperWorkers:
    hosts, login, authority = _zookeeper_hosts(place)
    client = Client(hosts, options.reserve, login, authority)
    store = ZooKeeperWorkers(client, options.space, options.layout.workers)
    try:
        store.keep_space("snowflake", str(options.layout))
    except BaseException:
        store.close()
        raise
    return store


def _zookeeper_hosts(place: Place) -> tuple[str, tuple[str, str] | None, Path | None]:
    if place.url is not None:
        return place.url.removeprefix("zookeeper://"), None, None
    path = place.must_have_path()
    user = read_entry(path, "username", "")
    login = (user, read_entry(path, "password")) if user else None
    return read_entry(path, "hosts"), login, find_authority(path)


def find_binding(name: str) -> Path:
    """By the allocator's name, as its Secret or a mount is called; else as any binding is found."""
    own = Path(os.environ.get(ROOT_VARIABLE, ""), f"{name}-ids-binding")
    return own if own.is_dir() else find_directory(name)


def _of_url(url: str) -> tuple[Options, str]:
    match urlsplit(url).scheme:
        case "zookeeper":
            return Options(), "zookeeper"
        case "redis" | "rediss":
            return Options(mode="redis"), "redis"
        case other:
            raise ConfigurationError(
                f"no allocator on a {other!r} URL; there are: zookeeper, redis, rediss; and dsn=... for PostgreSQL"
            )


def _insist(work: Callable[[], T], seconds: float) -> T:
    """Until the store answers, at most so long."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except NotReachable as error:
            if time.monotonic() + AGAIN_SECONDS >= deadline:
                raise NoIds(f"the store of the allocator did not answer within {seconds:g} s: {error}") from error
            time.sleep(AGAIN_SECONDS)
