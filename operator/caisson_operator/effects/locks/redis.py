"""Lock spaces in the keys of Redis: of the primary that Sentinel knows, or of a majority of independent primaries."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from caisson_operator.core.lock_space import Holder, Lock, SpaceView, StoreUnreachable, StoreUnusable, join_token

SECONDS = 3.0
SCAN_STEP = 1000
EPOCH_KEY = "caisson:epoch"
KINDS = ("lock-", "semaphore-")
# Ends the holds whose token is not greater than the given one. Whoever is next finds out when it next looks.
RELEASE = """
local ended = 0
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local epoch, counter = string.match(entries[i + 1], '^%a+ (%d+) (%d+)')
  epoch, counter = tonumber(epoch), tonumber(counter)
  if epoch < tonumber(ARGV[1]) or (epoch == tonumber(ARGV[1]) and counter <= tonumber(ARGV[2])) then
    ended = ended + redis.call('HDEL', KEYS[1], entries[i])
  end
end
return ended
"""
Address = tuple[str, int]


async def read_space(entries: Mapping[str, str], space: str) -> SpaceView:
    """Of independent primaries, those holds that a majority has."""
    servers = await _find_servers(entries)
    views = await asyncio.gather(*(_try_read(address, entries, space) for address in servers))
    seen = [view for view in views if isinstance(view, SpaceView)]
    majority = len(servers) // 2 + 1
    if len(seen) < majority:
        raise StoreUnreachable("; ".join(view for view in views if isinstance(view, str))[:300])
    if len(servers) == 1:
        return seen[0]
    opened = [view for view in seen if view.is_open]
    return SpaceView(
        is_open=len(opened) >= majority,
        epoch=max((view.epoch for view in opened), default=0),
        granted=max(view.granted for view in seen),
        waited=max(view.waited for view in seen),
        locks=_merge([view.locks for view in seen], majority),
    )


async def release(entries: Mapping[str, str], space: str, lock: str, highest_token: int) -> int:
    servers, ended = await _find_servers(entries), []
    epoch, counter = highest_token >> 40, highest_token & (1 << 40) - 1
    for address in servers:
        async with _connected(address, entries) as redis:
            keys = [f"{space}:{kind}held:{lock}" for kind in KINDS]
            ended.append(sum([int(await _call(redis, "EVAL", RELEASE, 1, key, epoch, counter)) for key in keys]))
    return max(ended)


async def _find_servers(entries: Mapping[str, str]) -> list[Address]:
    sentinels = _read_addresses(entries, "sentinels")
    if not sentinels:
        own = (entries.get("host", ""), int(entries.get("port", "6379")))
        return _read_addresses(entries, "members") or [own]
    failures = []
    for address in sentinels:
        try:
            async with _connected(address, entries, user="default") as sentinel:
                found = await _call(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", entries["master"])
        except StoreUnreachable as error:
            failures.append(str(error))
            continue
        if found:
            return [(str(found[0]), int(found[1]))]
        failures.append(f"{address[0]} knows no primary")
    raise StoreUnreachable("; ".join(failures)[:300])


async def _try_read(address: Address, entries: Mapping[str, str], space: str) -> SpaceView | str:
    try:
        async with _connected(address, entries) as redis:
            return await _read_server(redis, space)
    except StoreUnreachable as error:
        return str(error)


async def _read_server(redis: "Redis", space: str) -> SpaceView:
    told = await redis.info("replication")
    epoch, replication_id = await _call(redis, "HMGET", EPOCH_KEY, "epoch", "replid")
    granted, waited = await _call(redis, "HMGET", f"{space}:totals", "granted", "waited")
    seconds, micros = await _call(redis, "TIME")
    now = int(seconds) * 1000 + int(micros) // 1000
    locks = [lock for kind in KINDS for lock in await _read_locks(redis, f"{space}:{kind}", now)]
    is_open = told["role"] == "master" and replication_id == told["master_replid"]
    return SpaceView(is_open, int(epoch or 0), 0, int(granted or 0), int(waited or 0), tuple(locks))


async def _read_locks(redis: "Redis", prefix: str, now: int) -> list[Lock]:
    """All that are held or waited for; prefix and name, as caisson.locks.redis_keys has them."""
    names: set[str] = set()
    for part in ("held:", "queue:"):
        pattern = f"{_escape(prefix)}{part}*"
        async for key in redis.scan_iter(match=pattern, count=SCAN_STEP):
            names.add(key[len(prefix) + len(part) :])
    locks = []
    for name in sorted(names):
        held = await _call(redis, "HGETALL", f"{prefix}held:{name}")
        pairs = list(held.items()) if isinstance(held, dict) else list(zip(held[::2], held[1::2], strict=True))
        waiting = tuple(await _call(redis, "LRANGE", f"{prefix}queue:{name}", 0, -1))
        holders = tuple(holder for owner, entry in pairs if (holder := _read_holder(owner, entry, now)))
        if holders or waiting:
            locks.append(Lock(name, holders, waiting))
    return locks


def _read_holder(owner: str, entry: str, now: int) -> Holder | None:
    """None where its lease is over."""
    mode, epoch, counter, since, until = entry.split(" ")
    if int(until) <= now:
        return None
    return Holder(owner, mode, join_token(int(epoch), int(counter)), max(0, now - int(since)) / 1000)


def _merge(views: list[tuple[Lock, ...]], majority: int) -> tuple[Lock, ...]:
    owners = Counter((lock.name, holder.owner) for locks in views for lock in locks for holder in lock.holders)
    by_name: dict[str, list[Lock]] = {}
    for lock in (lock for locks in views for lock in locks):
        by_name.setdefault(lock.name, []).append(lock)
    merged = []
    for name, locks in by_name.items():
        holders = {holder.owner: holder for lock in locks for holder in lock.holders}
        held = tuple(holder for owner, holder in holders.items() if owners[name, owner] >= majority)
        waiting = dict.fromkeys(owner for lock in locks for owner in lock.waiting)
        merged.append(Lock(name, held, tuple(waiting)))
    return tuple(lock for lock in merged if lock.holders or lock.waiting)


@asynccontextmanager
async def _connected(address: Address, entries: Mapping[str, str], user: str | None = None) -> AsyncIterator["Redis"]:
    redis = Redis(
        host=address[0],
        port=address[1],
        username=entries.get("username") or (user if entries.get("password") else None),
        password=entries.get("password") or None,
        ssl=bool(entries.get("ca.crt")),
        ssl_ca_data=entries.get("ca.crt") or None,
        protocol=2,
        decode_responses=True,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
    )
    try:
        yield redis
    except AuthenticationError as error:
        raise StoreUnusable("Redis does not accept the username and password") from error
    except (TimeoutError, RedisError, OSError) as error:
        raise StoreUnreachable(f"{address[0]}:{address[1]}: {error or type(error).__name__}"[:300]) from error
    finally:
        await redis.aclose()


async def _call(redis: "Redis", *words: Any) -> Any:
    return await redis.execute_command(*words)


def _read_addresses(entries: Mapping[str, str], key: str) -> list[Address]:
    return [(str(each["host"]), int(each["port"])) for each in json.loads(entries.get(key) or "[]")]


def _escape(text: str) -> str:
    return "".join(f"\\{each}" if each in "*?[]\\" else each for each in text)
