"""What a shard's Patroni keeps of itself beside the Services, read as Patroni reads it. Pure.

In Endpoints mode these are annotations: of `<scope>` the leader's record, of `<scope>-sync` who has every acknowledged
commit, of `<scope>-config` settings and history, of `<scope>-failover` a change of the leader that was asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from caisson_operator.core.pods import read_time

from .manifests import ShardNames

Annotations = Mapping[str, str]
FIRST_TIMELINE = 1


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One timeline that ended, and who was promoted then. Patroni may know the last two or not."""

    timeline: int
    at: datetime | None = None
    new_leader: str = ""


@dataclass(frozen=True, slots=True)
class PatroniState:
    """Names are those of pods; empty where Patroni has none."""

    leader: str = ""
    renewed_at: datetime | None = None
    position: int = 0  # bytes of WAL, as the leader told last; 0: never told
    sync_leader: str = ""
    sync_standbys: tuple[str, ...] = ()
    history: tuple[HistoryLine, ...] = ()
    asked_from: str = ""
    asked_to: str = ""

    @property
    def timeline(self) -> int:
        """As far as the history tells: the new leader writes it within a loop after its promotion."""
        return self.history[-1].timeline + 1 if self.history else FIRST_TIMELINE

    @property
    def is_asked_to_switch(self) -> bool:
        return bool(self.asked_from or self.asked_to)


def build_patroni_state(kept: Mapping[str, Annotations], names: ShardNames) -> PatroniState:
    """`kept` maps the names of Endpoints to their annotations."""
    leader, asked, sync = (kept.get(name, {}) for name in (names.scope, names.failover, names.sync))
    if asked.get("scheduled_at"):
        asked = {}  # a person's plan for later: nothing is under way
    return PatroniState(
        leader=leader.get("leader", ""),
        renewed_at=read_time(leader.get("renewTime")),
        position=_read_number(leader.get("optime")),
        sync_leader=sync.get("leader", ""),
        sync_standbys=_split(sync.get("sync_standby", "")) if sync.get("leader") else (),
        history=_read_history(kept.get(names.config, {}).get("history", "")),
        asked_from=asked.get("leader", ""),
        asked_to=asked.get("member", ""),
    )


@dataclass(frozen=True, slots=True)
class MemberState:
    """What a member's own Patroni says in the annotation `status` of its pod; empty before it has said anything."""

    state: str = ""
    position: int = 0  # bytes of WAL that it has
    must_restart: bool = False  # a setting that it was given begins to hold with its next start
    # requests that the passwords are of that its REST API takes, first of the one that it sends; empty: its image cannot tell
    restapi_rotations: tuple[str, ...] = ()
    # the same of the roles that it has mounted, first of those that it comes to other members as
    role_rotations: tuple[str, ...] = ()


NOTHING_TOLD = MemberState()


def read_member_state(annotation: str | None) -> MemberState:
    try:
        told = json.loads(annotation or "{}")
        position = int(told.get("xlog_location") or 0)
        calls, roles = (tuple(map(str, told.get(key) or ())) for key in ("restapi_rotations", "role_rotations"))
        return MemberState(str(told.get("state", "")), position, told.get("pending_restart") is True, calls, roles)
    except (ValueError, TypeError, AttributeError):  # written by whom? Patroni takes it for nothing as well
        return NOTHING_TOLD


def _read_history(text: str) -> tuple[HistoryLine, ...]:
    """Lines are [timeline, lsn, reason] and, where Patroni saw the promotion, its time and who was promoted.

    What is no list of such lines counts as none, as it does for Patroni.
    """
    try:
        lines = json.loads(text or "[]")
        return tuple(_read_line(line) for line in lines)
    except (ValueError, TypeError, IndexError):
        return ()


def _read_line(line: list[Any]) -> HistoryLine:
    return HistoryLine(
        timeline=int(line[0]),
        at=read_time(line[3]) if len(line) > 3 else None,
        new_leader=str(line[4]) if len(line) > 4 else "",
    )


def _read_number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())
