"""`backing`: a BackingCluster on a few lines: what is the matter with it, and each member's role and health."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from .fetching import Kind
from .findings import describe_finding, is_finding
from .layout import format_seconds, one_line, render_table
from .resource import read_conditions, read_moment

BACKING_CLUSTER = Kind("BackingCluster", "backingclusters", "backing")
_HEADER = ("MEMBER", "ROLE", "READY", "UPDATED", "EPOCH", "MESSAGE")
Manifest = Mapping[str, Any]


def render_clusters(manifests: Iterable[Manifest], now: datetime) -> str:
    return "\n\n".join("\n".join(render_cluster(manifest, now)) for manifest in manifests)


def render_cluster(manifest: Manifest, now: datetime) -> list[str]:
    metadata, spec, status = (manifest.get(part) or {} for part in ("metadata", "spec", "status"))
    if not status:
        return [f"{metadata['namespace']}/{metadata['name']}: the operator has not looked at it yet"]
    ready = f"{status.get('readyMembers', 0)} of {spec.get('members', status.get('memberCount', '-'))} members serve"
    head = f"{metadata['namespace']}/{metadata['name']} ({_kind(spec)}): {status.get('phase', 'no phase yet')}, {ready}"
    findings = [each for each in read_conditions(status) if is_finding(each)]
    lines = [head, *(f"  ! {describe_finding(each, now)}" for each in findings), *_describe_leader(status, now)]
    rows = [_list_cells(member) for member in status.get("members", ())]
    return [*lines, "", *render_table(_HEADER, rows, "  ")] if rows else lines


def _kind(spec: Manifest) -> str:
    return " ".join(str(spec[part]) for part in ("type", "topology") if spec.get(part))


def _describe_leader(status: Manifest, now: datetime) -> list[str]:
    if not status.get("leader"):
        return [f"    no leader; {one_line(status['lastLeader'])} led last"] if status.get("lastLeader") else []
    since = read_moment(status.get("leaderSince"))
    seen = f", seen to lead for {format_seconds((now - since).total_seconds())}" if since else ""
    return [f"    led by {one_line(status['leader'])}{seen}"]


def _list_cells(member: Manifest) -> tuple[object, ...]:
    is_updated = member.get("updated")
    updated = None if is_updated is None else "yes" if is_updated else "no"
    is_ready = "yes" if member.get("ready") else "no"
    return member["name"], member.get("role"), is_ready, updated, member.get("epoch"), member.get("message")
