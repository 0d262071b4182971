"""Patroni's synchronous replication: the sync record and PostgreSQL's setting, in the order that Patroni changes them."""

from collections.abc import Generator
from enum import StrEnum
from typing import TYPE_CHECKING

from early_expiry.records import SyncRecord

from .member import ANYBODY, Member

if TYPE_CHECKING:
    from .world import World

Moments = Generator[str, None, None]
NOBODY: frozenset[str] = frozenset()


class Mode(StrEnum):
    ON = "on"
    STRICT = "strict"  # The same; with nobody to name, writes wait.
    QUORUM = "quorum"  # ANY 1 of the named.
    ASYNCHRONOUS = "off"


def promote(world: "World", me: Member, sync: SyncRecord) -> Moments:
    """process_sync_replication_prepromote, and the promotion, which nothing stops any more."""
    is_synchronous, connection = world.mode in (Mode.ON, Mode.STRICT), world.connections[me.name]
    if is_synchronous and not (yield from connection.write_sync(sync.version, leader=me.name, standbys=NOBODY)):
        return
    yield "sync record is ours"
    world.memories[me.name].bears_with = None
    me.set_sync_names(ANYBODY if world.mode == Mode.STRICT else NOBODY)
    yield "promoting"
    world.promote(me)
    yield "promoted"
    me.calls_itself_primary = me.is_primary


def process_sync(world: "World", me: Member, sync: SyncRecord) -> Moments:
    """_process_multisync_replication: out of the record before out of PostgreSQL's setting, and into it after."""
    connection, streaming = world.connections[me.name], world.streaming_from(me)
    picked = frozenset(sorted(streaming, key=lambda name: (name not in sync.standbys, name))[:1])
    confirmed = world.confirmed(me, sync) & picked
    version, named = sync.version, sync.standbys
    if sync.leader != me.name or (picked == named and named != confirmed):
        named = NOBODY if sync.leader != me.name else confirmed
        if not (yield from connection.write_sync(version, leader=me.name, standbys=named)):
            return
        version = connection.sync.version
        yield "sync record mended"
    if picked == named == me.sync_names - ANYBODY:
        return
    common = named & confirmed
    if common != named or world.rules.writes_before_setting:
        if not (yield from connection.write_sync(version, leader=me.name, standbys=common)):
            return
        version = connection.sync.version
        yield "standby taken out of the sync record"
    me.set_sync_names(picked or (ANYBODY if world.mode == Mode.STRICT else NOBODY))
    yield "setting changed"
    confirmed = world.confirmed(me, sync)
    if confirmed and confirmed != common:
        yield from connection.write_sync(version, leader=me.name, standbys=confirmed)
