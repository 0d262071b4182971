"""Observations of one shard s0 with two members, as its Patroni, its server and its pods would show it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from caisson_operator.sharded_database.observed import Observed, Pod, Shard, Standby
from caisson_operator.sharded_database.patroni_state import HistoryLine, MemberState, PatroniState
from caisson_operator.sharded_database.recorded import Recorded
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import NOW, build_wanted, provision, settle

A, B, C = (f"flights-s0-{place}" for place in range(3))
WANTED = build_wanted(1)
SYNCHRONOUS = {"synchronous_mode": True}
PROMOTED_AT = datetime(2026, 1, 1, 11, 59, 57, tzinfo=UTC)
HEARD_AT = datetime(2026, 1, 1, 11, 59, 54, 500_000, tzinfo=UTC)


def line(timeline: int, new_leader: str, at: datetime | None = PROMOTED_AT) -> HistoryLine:
    return HistoryLine(timeline, at, new_leader)


def state(leader: str = A, standby: str = B, history: tuple[HistoryLine, ...] = (), **changes: Any) -> PatroniState:
    """`standby` is the one that has every acknowledged commit of `leader`; empty where there is none."""
    found = PatroniState(
        leader=leader,
        renewed_at=HEARD_AT,
        position=10_000_000,
        sync_leader=leader or A,
        sync_standbys=(standby,) if standby else (),
        history=history,
    )
    return replace(found, **changes)


def pods(**members: Pod | None) -> tuple[Pod, ...]:
    """Two members that run, `a` the primary; `None` takes one away."""
    found = {"a": pod(A, "primary"), "b": pod(B, "replica"), **members}
    return tuple(each for each in found.values() if each)


def pod(name: str, role: str = "", is_ready: bool = True, is_running: bool = True, **told: Any) -> Pod:
    member = MemberState(**{"state": "running", "position": 10_000_000, **told})
    return Pod(name, "s0", role, is_ready, is_running, member)


def server(timeline: int = 1, standby: str = B, lag_bytes: int = 0, **changes: Any) -> dict[str, Shard]:
    """s0's primary as it can be read; a standby streams from it and is synchronous."""
    standbys: Mapping[str, Standby] = {standby: Standby(True, lag_bytes)} if standby else {}
    found: dict[str, Any] = {"timeline": timeline, "has_synchronous_standby": bool(standby), "standbys": standbys}
    return settle(WANTED, **{**found, **changes})


def see(
    patroni: PatroniState | None = None,
    members: tuple[Pod, ...] | None = None,
    shards: Mapping[str, Shard] | None = None,
    recorded: Recorded | None = None,
    wanted: Wanted = WANTED,
    settings: Mapping[str, Any] = SYNCHRONOUS,
) -> Observed:
    """All is well, on the first timeline, with A in the lead, but for what is given."""
    objects = provision(
        wanted,
        pods=pods() if members is None else members,
        settings={"s0": settings},
        patroni={"s0": patroni or state()},
    )
    return Observed(NOW, objects, server() if shards is None else shards, recorded=recorded or Recorded())
