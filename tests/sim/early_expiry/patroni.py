"""Patroni 4.1's cycle (patroni/ha.py), cut at each place where others may come between: each `yield`.

It reads both records at its beginning and goes by what it has read. A member that is not stepped on is one that stalls.
"""

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from early_expiry.records import LeaderRecord, SyncRecord

from .member import Member

if TYPE_CHECKING:
    from .world import World


class Mode(StrEnum):
    ON = "on"
    QUORUM = "quorum"  # ANY 1 of the named.
    ASYNCHRONOUS = "off"


@dataclass(frozen=True)
class View:
    record: LeaderRecord
    sync: SyncRecord


Cycle = Generator[str, None, None]


def cycle(world: "World", me: Member) -> Cycle:
    view = load(world)
    yield "loaded"
    if view.record.leader == me.name:
        yield from hold(world, me, view)
    elif view.record.leader is None:
        yield from race(world, me, view)
    else:
        if me.is_primary:
            me.demote()
        me.follows = view.record.leader


def load(world: "World") -> View:
    return View(world.store.record, world.store.sync)


def hold(world: "World", me: Member, view: View) -> Cycle:
    """process_healthy_cluster, of the leader."""
    if not (yield from renew(world, me, view.record.version)):
        me.demote()
        return
    yield "renewed"
    yield from enforce_primary_role(world, me, view.sync)


def renew(world: "World", me: Member, version: str) -> Generator[str, None, bool]:
    """update_leader: after a conflict it reads once more, and writes once more if the record still names it."""
    renewed = {"renewed": world.store.stamp("renewed")}
    if world.store.write_leader(version, **renewed):
        return True
    yield "conflict"
    fresh = world.store.record
    yield "read again"
    return fresh.leader == me.name and world.store.write_leader(fresh.version, **renewed)


def race(world: "World", me: Member, view: View) -> Cycle:
    """process_unhealthy_cluster. What it judges by is not looked at again before the lock is acquired."""
    if not may_lead(world, me, view.sync):
        if me.is_primary:
            me.demote()
        return
    yield "judged"
    stamp = world.store.stamp("acquired")
    if not world.store.write_leader(view.record.version, leader=me.name, acquired=stamp, renewed=stamp):
        if me.is_primary:
            me.demote()
        return
    yield "acquired"
    view = load(world)
    yield "loaded again"
    yield from enforce_primary_role(world, me, view.sync)


def may_lead(world: "World", me: Member, sync: SyncRecord) -> bool:
    """is_healthiest_node, where the old leader's REST API does not answer. The newest timeline is known to all."""
    if me.is_primary:
        return me.timeline == world.newest_timeline
    others = [other for other in world.members.values() if other is not me and other.name != world.silent]
    if sync.leader is None:
        return all(len(other.log) <= len(me.log) for other in others)
    if world.mode == Mode.ON:
        return me.name in sync.standbys | {sync.leader}
    voters = [other for other in others if other.name in sync.standbys]
    return me.name in sync.standbys and len([other for other in voters if len(other.log) <= len(me.log)]) >= sync.quorum


def enforce_primary_role(world: "World", me: Member, sync: SyncRecord) -> Cycle:
    if not me.is_primary:
        yield from promote(world, me, sync)
    elif world.mode == Mode.ON:
        yield from process_sync(world, me, sync)


def promote(world: "World", me: Member, sync: SyncRecord) -> Cycle:
    """process_sync_replication_prepromote, and the promotion, which nothing stops any more."""
    if world.mode == Mode.ON and not world.store.write_sync(sync.version, leader=me.name, standbys=frozenset()):
        return
    yield "sync record is ours"
    me.set_sync_names(frozenset())
    yield "promoting"
    world.promote(me)


def process_sync(world: "World", me: Member, sync: SyncRecord) -> Cycle:
    """_process_multisync_replication: out of the record before out of PostgreSQL's setting, and into it after."""
    streaming = world.streaming_from(me)
    picked = frozenset(sorted(streaming, key=lambda name: (name not in sync.standbys, name))[:1])
    confirmed = world.confirmed(me) & picked
    version, named = sync.version, sync.standbys
    if sync.leader != me.name or (picked == named and named != confirmed):
        named = frozenset() if sync.leader != me.name else confirmed
        if not world.store.write_sync(version, leader=me.name, standbys=named):
            return
        version = world.store.sync.version
        yield "sync record mended"
    if picked == named == me.sync_names:
        return
    common = named & confirmed
    if common != named:
        if not world.store.write_sync(version, leader=me.name, standbys=common):
            return
        version = world.store.sync.version
        yield "standby taken out of the sync record"
    me.set_sync_names(picked)
    yield "setting changed"
    confirmed = world.confirmed(me)
    if confirmed and confirmed != common:
        world.store.write_sync(version, leader=me.name, standbys=confirmed)
