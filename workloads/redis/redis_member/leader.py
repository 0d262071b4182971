"""Whom a member follows when it starts: whom the Sentinels have for the primary, as the latest of them tells it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .member import SENTINEL_FILE, SENTINEL_PORT, Member
from .resp import Connection, RedisError


@dataclass(frozen=True, slots=True)
class Told:
    """What one Sentinel says. The epoch of its configuration rises with each failover that it has heard of."""

    leader: str
    epoch: int
    replicas: int = 0


def choose(told: Iterable[Told], kept: Told | None, first: str) -> Told:
    """The latest that is told; else what this member's own Sentinel has kept; else the cluster is new, and the first leads.

    With as many replicas as any of them knows: one that has just been told to forget those that are gone knows of none for a while.
    """
    known = [*told, *([kept] if kept else [])]
    latest = max(known, key=lambda each: each.epoch, default=Told(first, 0))
    return replace(latest, replicas=max((each.replicas for each in known if each.leader == latest.leader), default=0))


def must_stand_back(chosen: Told, member: Member, has_data: bool) -> bool:
    """Without its data a primary would have its replicas throw theirs away: first another one has to be elected."""
    return member.is_replicated and not has_data and chosen.leader == member.host and chosen.replicas > 0


def ask_sentinels(member: Member) -> list[Told]:
    found = []
    for host in member.other_hosts:
        try:
            with Connection((host, SENTINEL_PORT), member.admin_password) as sentinel:
                answer = sentinel.call("SENTINEL", "MASTER", member.cluster)
        except (OSError, RedisError):
            continue
        if isinstance(answer, list):
            told = dict(zip(map(str, answer[::2]), map(str, answer[1::2]), strict=True))
            found.append(Told(told["ip"], int(told["config-epoch"]), int(told["num-slaves"])))
    return found


def read_kept(member: Member, file: Path = SENTINEL_FILE) -> Told | None:
    """What the file of this member's own Sentinel says, where there is one."""
    try:
        return parse_kept(file.read_text(), member.cluster)
    except FileNotFoundError:
        return None


def parse_kept(text: str, cluster: str) -> Told | None:
    leader = re.search(rf"^sentinel monitor {re.escape(cluster)} (\S+)", text, re.MULTILINE)
    epoch = re.search(rf"^sentinel config-epoch {re.escape(cluster)} (\d+)", text, re.MULTILINE)
    return Told(leader[1], int(epoch[1]) if epoch else 0) if leader else None
