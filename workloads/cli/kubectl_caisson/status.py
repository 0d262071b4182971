"""`status`: one database on half a screen, worst things first. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from .estimate import describe_estimate
from .fetching import Kind
from .findings import describe_finding, describe_staleness, find_condition, list_findings
from .kube import Manifest
from .layout import format_bytes, format_seconds, one_line, render_table
from .resource import Database, Expansion, read_database

DATABASE = Kind("ShardedDatabase", "shardeddatabases", "sdb")
_SHARD_HEADER = ("SHARD", "PRIMARY", "TIMELINE", "READY", "BUCKETS")
_PASSED_ON = ("phase", "shardCount", "shards", "expansion", "failovers", "switchover")


def render_all(manifests: Iterable[Manifest], now: datetime) -> str:
    return "\n\n".join("\n".join(render_database(read_database(manifest), now)) for manifest in manifests)


def render_database(database: Database, now: datetime) -> list[str]:
    lines = [f"{database.namespace}/{database.name}: {database.phase or 'no phase yet'}, {_count_shards(database)}"]
    stale = describe_staleness(database)
    lines += [f"  ! {stale}"] if stale else []
    lines += [f"  ! {describe_finding(condition, now)}" for condition in list_findings(database)]
    lines += _describe_progressing(database)
    if database.shards:
        lines += ["", *_render_shards(database)]
    if database.expansion:
        lines += ["", *_render_expansion(database, database.expansion, now)]
    lines += _render_switchover(database, now)
    return lines + _render_last_failover(database, now)


def build_document(manifests: Iterable[Manifest]) -> list[dict[str, Any]]:
    """For programs: the status in its own words, beside what this plugin makes of it."""
    return [_build_entry(manifest) for manifest in manifests]


def _build_entry(manifest: Mapping[str, Any]) -> dict[str, Any]:
    database, status = read_database(manifest), manifest.get("status") or {}
    named = {finding.type for finding in list_findings(database)}
    return {
        "namespace": database.namespace,
        "name": database.name,
        "statusIsCurrent": database.is_seen,
        "findings": [condition for condition in status.get("conditions", ()) if condition["type"] in named],
        **{key: status[key] for key in _PASSED_ON if key in status},
    }


def _count_shards(database: Database) -> str:
    there = sum(1 for shard in database.shards if shard.primary)
    noun = "shard" if database.wanted_shards == 1 else "shards"
    return f"{there} of {database.wanted_shards} {noun} with a primary"


def _describe_progressing(database: Database) -> list[str]:
    """What is under way; an expansion tells it by itself."""
    progressing = find_condition(database.conditions, "Progressing")
    if progressing is None or progressing.status != "True" or (database.expansion and database.expansion.is_running):
        return []
    return [f"    doing: {progressing.reason}: {one_line(progressing.message)}"]


def _render_shards(database: Database) -> list[str]:
    rows = [
        (shard.name, shard.primary, shard.timeline, f"{shard.ready_members}/{shard.members}", shard.buckets)
        for shard in database.shards
    ]
    if not any(shard.synchronous_standby for shard in database.shards):
        return render_table(_SHARD_HEADER, rows, "  ")
    # The member that a switchover may hand over to.
    wider = [(*row, shard.synchronous_standby) for row, shard in zip(rows, database.shards, strict=True)]
    return render_table((*_SHARD_HEADER, "SYNCHRONOUS STANDBY"), wider, "  ")


def _render_expansion(database: Database, expansion: Expansion, now: datetime) -> list[str]:
    route = f"  expansion {expansion.id}, {expansion.from_shards} -> {expansion.to_shards} shards: {expansion.phase}"
    if not expansion.is_running:
        return [f"{route}{_describe_end(expansion, now)}"]
    held = " (spec.expansion.paused is set; it stops after the step at hand)"
    facts = [*_list_facts(expansion), ("message", one_line(expansion.message))]
    facts.append(("time left", describe_estimate(database) or "cannot be told from what is known now"))
    width = max(len(label) for label, _ in facts)
    head = f"{route}{held if database.is_paused and expansion.phase != 'Paused' else ''}"
    return [head, *(f"    {label.ljust(width)}   {text}" for label, text in facts)]


def _list_facts(expansion: Expansion) -> list[tuple[str, str]]:
    groups, buckets, pause = expansion.groups, expansion.buckets, expansion.pause_milliseconds
    reached = ", ".join(f"{groups.get(stage, 0)} {stage}" for stage in ("copied", "verified", "switched"))
    facts = [
        ("groups", f"{reached}, of {groups.get('total', 0)}"),
        ("buckets", f"{buckets.get('moved', 0)} of {buckets.get('total', 0)} moved"),
        ("rows", f"{expansion.rows_copied:,}{_describe_total(expansion)} copied"),
        ("lag", format_bytes(expansion.lag_bytes)),
    ]
    if groups.get("switched"):
        facts.append(("pauses", f"last {pause.get('last', 0)} ms, longest {pause.get('max', 0)} ms"))
    if expansion.mismatches:
        facts.append(("MISMATCHES", f"{expansion.mismatches:,} rows differ: nothing switches (docs/runbooks)"))
    return facts


def _describe_total(expansion: Expansion) -> str:
    return "" if expansion.rows_total is None else f" of about {expansion.rows_total:,}"


def _describe_end(expansion: Expansion, now: datetime) -> str:
    if expansion.phase == "Failed":
        return f": {one_line(expansion.message)}"
    ago = f" {format_seconds((now - expansion.finished_at).total_seconds())} ago" if expansion.finished_at else ""
    longest = expansion.pause_milliseconds.get("max", 0)
    return f"{ago}; {expansion.buckets.get('moved', 0)} buckets moved, longest pause {longest} ms"


def _render_switchover(database: Database, now: datetime) -> list[str]:
    last = database.switchover
    if last is None:
        return []
    ago = f" {format_seconds((now - last.at).total_seconds())} ago" if last.at else ""
    route = f"{one_line(last.origin)} -> {one_line(last.successor)}"
    message = f": {one_line(last.message)}" if last.message else ""
    return ["", f"  switchover {last.request} of {one_line(last.shard)}, {route}: {last.phase}{ago}{message}"]


def _render_last_failover(database: Database, now: datetime) -> list[str]:
    """The operator's history holds switchovers too: the cause says which it was."""
    if not database.failovers:
        return []
    last, more = database.failovers[0], len(database.failovers) - 1
    ago = f" {format_seconds((now - last.at).total_seconds())} ago" if last.at else ""
    rest = f"; {more} before it" if more else ""
    history = f"kubectl caisson failovers {database.name} -n {database.namespace}"
    return ["", f"  the lead changed last in {one_line(last.shard)}{ago}: {one_line(last.cause)}{rest} ({history})"]
