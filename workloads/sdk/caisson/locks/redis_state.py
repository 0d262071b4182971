"""What a lock space on Redis holds at this moment, read for people and metrics."""

from typing import Any

from caisson.locks.redis_keys import RedisKeys
from caisson.locks.redis_link import Link
from caisson.locks.store import Claim, Holder, LockState, Mode, SpaceState, join_token

SCAN_STEP = 1000


def read_state(link: Link, keys: RedisKeys) -> SpaceState:
    """Look at one lock after the other. Raises Passing."""
    epoch = link.send("HGET", keys.epoch, "epoch")
    granted, waited = link.send("HMGET", keys.totals, "granted", "waited")
    found = {keys.claim_of(key): None for pattern in keys.patterns() for key in _scan(link, pattern)}
    locks = (_read_lock(link, keys, claim) for claim in sorted(found, key=lambda claim: claim.name))
    shown = tuple(lock for lock in locks if lock.holders or lock.waiting)
    return SpaceState(int(epoch or 0), int(granted or 0), int(waited or 0), shown)


def _scan(link: Link, pattern: str) -> list[str]:
    cursor, found = b"0", []
    while True:
        cursor, page = link.send("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_STEP)
        found += [key.decode() for key in page]
        if int(cursor) == 0:
            return found


def _read_lock(link: Link, keys: RedisKeys, claim: Claim) -> LockState:
    _, _, held, queue, _ = keys.of(claim)
    entries = link.send("HGETALL", held)
    waiting = tuple(owner.decode() for owner in link.send("LRANGE", queue, 0, -1))
    seconds, micros = link.send("TIME")
    now = int(seconds) * 1000 + int(micros) // 1000
    holders = (_holder(owner, entry, now) for owner, entry in zip(entries[::2], entries[1::2], strict=True))
    return LockState(claim.name, tuple(each for each in holders if each.lease_left_seconds > 0), waiting)


def _holder(owner: Any, entry: Any, now: int) -> Holder:
    mode, epoch, counter, since, end = entry.decode().split(" ")
    token = join_token(int(epoch), int(counter))
    return Holder(owner.decode(), Mode(mode), token, (now - int(since)) / 1000, (int(end) - now) / 1000)
