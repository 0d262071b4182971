"""Patroni 4.1's cycle (patroni/ha.py), cut at each place where others may come between: each `yield`.

It reads both records at its beginning and goes by what it has read. A member that is not stepped on is one that stalls.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from early_expiry.records import SyncRecord

from .connection import Unanswered
from .failsafe import go_on_without_store
from .member import Member
from .memory import View
from .replication import Mode, process_sync, promote
from .rules import Late
from .store import Target, Write

if TYPE_CHECKING:
    from .world import World

Cycle = Generator[str, None, None]


def cycle(world: "World", me: Member) -> Cycle:
    memory = world.memories[me.name]
    try:
        yield from go_through(world, me)
    except Unanswered:
        yield "store gone"
        yield from go_on_without_store(world, me)
    else:
        memory.told_primary = me.is_primary
        if world.connections[me.name].record.leader == me.name:
            memory.bears_with = None


def go_through(world: "World", me: Member) -> Cycle:
    view = load(world, me)
    yield "loaded"
    if view.leader == me.name:
        yield from hold(world, me, view)
    elif view.leader is None:
        yield from race(world, me, view)
    else:
        follow(me, view)


def load(world: "World", me: Member) -> View:
    """load_cluster_from_dcs, with our OwnLead. Raises Unanswered."""
    connection, memory = world.connections[me.name], world.memories[me.name]
    connection.load()
    record = connection.record
    is_held = memory.observe(record, world.now) or (
        world.rules.holds_own_record and memory.told_primary and record.leader == me.name
    )
    leader = (record.leader if is_held else None) or memory.borne(world.now)
    timeline = world.store.timeline if world.rules.timelines_are_known else connection.timeline
    return View(record, connection.sync, timeline, leader)


def follow(me: Member, view: View) -> None:
    if me.is_primary:
        me.demote()
    me.follows = view.leader if view.leader != me.name else None


def hold(world: "World", me: Member, view: View) -> Cycle:
    """process_healthy_cluster, of the leader."""
    if not (yield from renew(world, me)):
        if me.is_primary:
            me.demote()
        return
    yield "renewed"
    yield from enforce_primary_role(world, me, view)


def renew(world: "World", me: Member) -> Generator[str, None, bool]:
    """update_leader, with our habit of late answers; from the cache as it is by now. Raises Unanswered."""
    connection, rules = world.connections[me.name], world.rules
    connection.look()
    known, renewed = connection.record, world.store.stamp("renewed")
    if known.leader != me.name:
        return False
    write = Write(Target.LEADER, known.version, {"leader": me.name, "acquired": known.acquired, "renewed": renewed})
    if (yield from connection.write_patiently(write)):
        return True
    yield "conflict"
    if not connection.has_time:
        if rules.late_answer == Late.UNANSWERED:
            raise Unanswered
        return rules.late_answer == Late.DONE
    fresh = connection.read_leader()
    yield "read again"
    if rules.renews_only_its_own and (fresh.leader != me.name or fresh.version == known.version):
        return False
    return (fresh.leader, fresh.renewed) == (me.name, renewed) or connection.write(
        replace(write, version=fresh.version)
    )


def race(world: "World", me: Member, view: View) -> Cycle:
    """process_unhealthy_cluster. What it judges by is not looked at again before the lock is acquired."""
    if may_lead(world, me, view):
        yield "judged"
        if (yield from acquire(world, me, view)):
            yield "acquired"
            view = load(world, me)
            yield "loaded again"
            yield from enforce_primary_role(world, me, view)
            return
    follow(me, load(world, me))


def acquire(world: "World", me: Member, view: View) -> Generator[str, None, bool]:
    """attempt_to_acquire_leader: after a conflict it may see that its own first try has arrived. Raises Unanswered."""
    connection, stamp = world.connections[me.name], world.store.stamp("acquired")
    acquired = view.record.acquired if view.record.leader == me.name else stamp
    changes = {"leader": me.name, "acquired": acquired, "renewed": stamp}
    if (yield from connection.write_patiently(Write(Target.LEADER, view.record.version, changes))):
        return True
    if not connection.has_time:
        return False
    yield "conflict"
    fresh = connection.read_leader()
    return (fresh.leader, fresh.renewed) == (me.name, stamp)


def may_lead(world: "World", me: Member, view: View) -> bool:
    """is_healthiest_node. Whoever's REST API does not answer has no say."""
    if me.timeline < view.timeline or is_stranger(world, me, view.sync):
        return False
    if me.is_primary:
        return True
    sync = view.sync
    if sync.leader is None:
        return all(is_no_better(other, me) for other in others_that_answer(world, me))
    if world.mode == Mode.QUORUM:
        return has_quorum(world, me, sync)
    named = sync.standbys | {sync.leader}
    judges = [other for other in others_that_answer(world, me) if other.name in named]
    return (me.name in named or not world.rules.races_only_if_named) and not any(other.is_primary for other in judges)


def has_quorum(world: "World", me: Member, sync: SyncRecord) -> bool:
    voters = [other for other in others_that_answer(world, me) if other.name in sync.standbys]
    return me.name in sync.standbys and len([other for other in voters if is_no_better(other, me)]) >= sync.quorum


def is_no_better(other: Member, me: Member) -> bool:
    return not other.is_primary and len(other.log) <= len(me.log)


def others_that_answer(world: "World", me: Member) -> list[Member]:
    return [other for other in world.members.values() if other is not me and other.name not in world.silent]


def enforce_primary_role(world: "World", me: Member, view: View) -> Cycle:
    if is_stranger(world, me, view.sync):
        give_up(world, me)
        return
    if not me.is_primary:
        yield from promote(world, me, view.sync)
        return
    if world.mode in (Mode.ON, Mode.STRICT):
        yield from process_sync(world, me, view.sync)
    if world.connections[me.name].timeline < me.timeline:
        yield "replication settled"
        world.connections[me.name].write_timeline(me.timeline)


def is_stranger(world: "World", me: Member, sync: SyncRecord) -> bool:
    """Our own (sync_record.py)."""
    if not world.rules.leads_only_if_named or world.mode not in (Mode.ON, Mode.STRICT):
        return False
    return sync.leader is not None and me.name not in sync.standbys | {sync.leader}


def give_up(world: "World", me: Member) -> None:
    """Raises Unanswered."""
    connection = world.connections[me.name]
    if me.is_primary:
        me.demote()
    connection.write(Write(Target.LEADER, connection.record.version, {"leader": None}))
