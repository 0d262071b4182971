"""Starting, stopping and probing what a pod runs. The only effects of this package beside the asking of Sentinels."""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import NoReturn

from .configuration import build_redis, build_sentinel
from .leader import Told, ask_sentinels, choose, must_stand_back, read_kept
from .member import DATA, REDIS_FILE, SENTINEL_FILE, SENTINEL_PORT, SENTINEL_SOCKET, SOCKET, Member
from .resp import Connection, RedisError

LOOK_AGAIN_SECONDS = 1.0
HAND_OVER_SECONDS = 20.0


def run_redis(member: Member) -> NoReturn:
    DATA.mkdir(parents=True, exist_ok=True)
    _discard_leftovers(DATA)
    leader = _find_leader(member).leader if member.is_replicated else member.host
    _write(REDIS_FILE, build_redis(member, None if leader == member.host else leader))
    _say("starting", server="redis", leader=leader)
    os.execvp("redis-server", ["redis-server", str(REDIS_FILE)])


def run_sentinel(member: Member) -> NoReturn:
    kept = read_kept(member)
    leader = kept.leader if kept else _find_leader(member).leader
    _write(SENTINEL_FILE, build_sentinel(member, leader, SENTINEL_FILE.read_text() if kept else ""))
    _say("starting", server="sentinel")
    os.execvp("redis-sentinel", ["redis-sentinel", str(SENTINEL_FILE)])


def stop(member: Member) -> None:
    """Before the pod goes: a primary hands over first, so that nobody has to find out that it is gone.

    It is asked for only while this member is still taken for the primary: the next one must not hand over as well.
    """
    if not member.is_replicated or not _is_primary(member):
        return
    limit = time.monotonic() + HAND_OVER_SECONDS
    while time.monotonic() < limit and _leads(ask_sentinels(member), member):
        any(_ask_for_failover(member, host) for host in member.other_hosts)
        time.sleep(LOOK_AGAIN_SECONDS)


def is_ready(member: Member) -> bool:
    """A primary, or a replica whose link to its primary is up."""
    with Connection(SOCKET, member.admin_password) as redis:
        told = redis.info("replication")
    return told["role"] == "master" or told.get("master_link_status") == "up"


def is_alive(member: Member) -> bool:
    """One that loads its data is alive, and says so instead of PONG."""
    try:
        with Connection(SOCKET, member.admin_password) as redis:
            redis.call("PING")
    except RedisError as error:
        return str(error).startswith(("LOADING", "MASTERDOWN", "BUSY"))
    return True


def is_sentinel_alive(member: Member) -> bool:
    with Connection(SENTINEL_SOCKET, member.admin_password) as sentinel:
        return sentinel.call("PING") == "PONG"


def _find_leader(member: Member) -> Told:
    """Waits as long as this member must not lead."""
    has_data = any(DATA.glob("appendonlydir/*")) if DATA.exists() else False
    while True:
        chosen = choose(ask_sentinels(member), read_kept(member), member.first_host)
        if not must_stand_back(chosen, member, has_data):
            return chosen
        _say("standing_back", reason="the data of this member are gone, and it is still taken for the primary")
        time.sleep(LOOK_AGAIN_SECONDS)


def _leads(told: list[Told], member: Member) -> bool:
    return max(told, key=lambda each: each.epoch, default=Told("", 0)).leader == member.host


def _is_primary(member: Member) -> bool:
    try:
        with Connection(SOCKET, member.admin_password) as redis:
            return redis.info("replication").get("role") == "master"
    except (OSError, RedisError):
        return False


def _ask_for_failover(member: Member, host: str) -> bool:
    try:
        with Connection((host, SENTINEL_PORT), member.admin_password) as sentinel:
            sentinel.call("SENTINEL", "FAILOVER", member.cluster)
    except RedisError as error:
        return "INPROG" in str(error)
    except OSError:
        return False
    return True


def _discard_leftovers(folder: Path) -> None:
    """What a rewrite or a transfer left half done when its server was killed; nothing else ever takes it away."""
    for leftover in folder.glob("temp-*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _write(file: Path, text: str) -> None:
    """Whole or not at all: it holds passwords, and a torn one would keep the server from starting for ever."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as made:
        made.write(text)
        made.flush()
        os.fsync(made.fileno())
    draft.replace(file)


def _say(event: str, **fields: object) -> None:
    print(event, *(f"{name}={value}" for name, value in fields.items()), file=sys.stderr, flush=True)
