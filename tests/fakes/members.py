"""Shards with their members as pods, for decisions about single members: all is well, but for what a test changes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from caisson_operator.api.failover_status import LeaderStatus
from caisson_operator.core.decisions import Decision
from caisson_operator.sharded_database.manifests import build_cluster_settings
from caisson_operator.sharded_database.observed import Observed, Pod, Shard, Standby
from caisson_operator.sharded_database.patroni_state import MemberState, PatroniState
from caisson_operator.sharded_database.provisioning import find_template
from caisson_operator.sharded_database.recorded import Recorded, read_recorded
from caisson_operator.sharded_database.status import build_status
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import NOW, provision, settle


def build_member(wanted: Wanted, shard: str, place: int, role: str = "replica", **changes: Any) -> Pod:
    """Up to date and ready, on a node of its own."""
    told = MemberState("running", 10_000_000)
    name = f"{wanted.database.name}-{shard}-{place}"
    found = Pod(name, shard, role, True, True, told, f"uid-{name}", find_template(wanted, shard), f"node-{place}")
    return replace(found, **changes)


def build_members(wanted: Wanted) -> tuple[Pod, ...]:
    """The first of each shard leads."""
    return tuple(
        build_member(wanted, shard, place, "replica" if place else "primary")
        for shard in wanted.shards
        for place in range(wanted.members)
    )


def change(pods: Iterable[Pod], **changes: Mapping[str, Any]) -> tuple[Pod, ...]:
    """`s0_1={"is_ready": False}` changes member 1 of s0."""
    wishes = {key.replace("_", "-"): value for key, value in changes.items()}
    return tuple(replace(pod, **wishes.get(pod.name.split("-", 1)[1], {})) for pod in pods)


def see(wanted: Wanted, pods: Iterable[Pod] | None = None, **objects: Any) -> Observed:
    """As Patroni and the primaries tell it of these pods: the first standby that is ready is synchronous."""
    members = build_members(wanted) if pods is None else tuple(pods)
    states, shards, leaders = {}, settle(wanted), {}
    for shard in wanted.shards:
        mine = [pod for pod in members if pod.shard == shard]
        leader = next((pod.name for pod in mine if pod.role == "primary"), "")
        standbys = [pod.name for pod in mine if pod.role == "replica" and pod.is_ready]
        states[shard] = PatroniState(leader, NOW, 10_000_000, leader, tuple(standbys[:1]))
        shards[shard] = stream(shards[shard], standbys)
        synchronous = standbys[0] if standbys and wanted.is_synchronous else None
        leaders[shard] = LeaderStatus(member=leader, timeline=1, synchronous_standby=synchronous)
    settings = build_cluster_settings(wanted.durability, wanted.members, wanted.storage_size, wanted.parameters)
    found = {"pods": members, "patroni": states, "settings": dict.fromkeys(wanted.shards, settings), **objects}
    return Observed(NOW, provision(wanted, **found), shards, recorded=Recorded(leaders=leaders))


def write_down(wanted: Wanted, observed: Observed, decision: Decision) -> Observed:
    """The same, as the next look finds it when nothing has happened but that the status was written."""
    status = build_status(wanted, observed, decision).model_dump(mode="json", by_alias=True, exclude_none=True)
    return replace(observed, recorded=read_recorded(status))


def stream(shard: Shard, standbys: Iterable[str]) -> Shard:
    names = tuple(standbys)
    found = {name: Standby(name == names[0], 0) for name in names}
    return replace(shard, standbys=found, has_synchronous_standby=bool(names))
