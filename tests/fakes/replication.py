"""How rows flow from a source to a target: the initial copy of each table, then every change in commit order."""

from collections.abc import Mapping
from dataclasses import replace

from .catalog import Change, Feed
from .server import Server


def find_feed(servers: Mapping[str, Server], link: str) -> tuple[Server, Server, Feed] | None:
    """(source, target, subscription) where everything is there that lets changes flow."""
    for target in servers.values():
        feed = target.live.feeds.get(link)
        if feed and target.is_up and feed.is_enabled and feed.has_slot:
            source = servers[feed.source]
            if source.is_up and link in source.slots and link in source.live.publications:
                return source, target, feed
    return None


def copy_tables(servers: Mapping[str, Server], link: str) -> None:
    """Copy what has not been copied. A table that is not empty is refused for its primary key, again and again."""
    found = find_feed(servers, link)
    if not found:
        return
    source, target, feed = found
    if len(target.live.feeds) >= target.workers:
        return  # no worker is left for a copy, and nobody is told
    copied = dict(feed.copied)
    for table in [t for t, at in copied.items() if at is None]:
        if not target.live.rows.get(table):
            target.live.rows[table] = dict(source.live.rows.get(table, {}))
            copied[table] = len(source.live.log)
    target.live.feeds[link] = replace(feed, copied=copied)


def apply_changes(servers: Mapping[str, Server], link: str, limit: int) -> int:
    """Apply up to `limit` changes, lazily committed (synchronous_commit = off). Returns how many."""
    found = find_feed(servers, link)
    if not found:
        return 0
    source, target, feed = found
    position = max(feed.applied, source.slots[link])
    done = 0
    for change in source.live.log[position : position + limit]:
        if not _apply(target, feed, change, position):
            break
        position, done = position + 1, done + 1
    target.live.feeds[link] = replace(feed, applied=position)
    return done


def confirm(servers: Mapping[str, Server], target: Server) -> None:
    """The target's disk has what was applied, and its workers say so to their sources."""
    target.commit_locally()
    for link, feed in target.live.feeds.items():
        source = servers[feed.source]
        if source.is_up and link in source.slots and feed.has_slot:
            source.slots[link] = max(source.slots[link], feed.applied)


def _apply(target: Server, feed: Feed, change: Change, position: int) -> bool:
    copied_at = feed.copied.get(change.table)
    if copied_at is None or position < copied_at:
        return True
    rows = target.live.rows.get(change.table, {})
    if change.is_insert and change.key in rows:
        return False  # 23505: the worker ends, and begins again at the same place
    if change.is_insert or change.key in rows:
        target.live.replay(change.table, change.key, change.version)
    return True
