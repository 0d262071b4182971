"""`expand plan`, `pause` and `resume`. The expansion itself is `kubectl scale`."""

from collections.abc import Mapping
from typing import Any

from .errors import NotSo
from .kube import Kube, database_path
from .layout import render_table
from .placement_counts import Share, count_moves, count_shares
from .resource import Database, read_database

_HEADER = ("SHARD", "BUCKETS NOW", "AFTERWARDS", "CHANGE")
_ON_COUNTS = (
    "These are counts, from the status and the rule that the fewest buckets move. Which buckets they are the operator "
    "chooses from the map on the shards."
)


def plan(database: Database, shards: int) -> str:
    """Raises NotSo where no such expansion could begin, or where the status does not hold enough to tell."""
    held = _read_held(database, shards)
    new = [f"s{number}" for number in range(len(held), shards)]
    sizes = [*database.group_buckets.values()]
    shares, moves = count_shares(held, new, sizes), count_moves(held, new, sizes)
    head = f"{database.namespace}/{database.name}: {len(held)} -> {shards} shards, {moves} of {sum(sizes)} buckets move"
    table = render_table(_HEADER, [_row(share) for share in shares], "  ")
    scale = f"To do it: kubectl scale sdb/{database.name} -n {database.namespace} --replicas={shards}"
    return "\n".join([head, "", *table, "", _ON_COUNTS, *_warnings(database), scale])


def build_plan_document(database: Database, shards: int) -> dict[str, Any]:
    held = _read_held(database, shards)
    new = [f"s{number}" for number in range(len(held), shards)]
    sizes = [*database.group_buckets.values()]
    entries = [
        {"name": share.shard, "bucketsNow": share.held, "bucketsLeast": share.least, "bucketsMost": share.most}
        for share in count_shares(held, new, sizes)
    ]
    return {
        "fromShards": len(held),
        "toShards": shards,
        "bucketsMoved": count_moves(held, new, sizes),
        "shards": entries,
    }


def set_paused(kube: Kube, namespace: str, name: str, is_paused: bool) -> str:
    """Says what it has changed, and what follows."""
    path = database_path(namespace, name)
    database = read_database(kube.get(path))
    word = "paused" if is_paused else "not paused"
    if database.is_paused == is_paused:
        return f"{namespace}/{name} is {word} already"
    kube.merge_patch(path, {"spec": {"expansion": {"paused": is_paused}}})
    return f"{namespace}/{name} is {word}{_consequence(database, is_paused)}"


def _consequence(database: Database, is_paused: bool) -> str:
    if database.expansion is None or not database.expansion.is_running:
        return ": no expansion runs; the next one would wait" if is_paused else ": no expansion runs"
    if not is_paused:
        return ": the expansion goes on"
    return (
        ": a switch that has begun is finished, then nothing moves. "
        "Until it is resumed the sources keep write-ahead log for the copies: do not leave it so for long"
    )


def _read_held(database: Database, shards: int) -> Mapping[str, int]:
    held = {shard.name: shard.buckets for shard in database.shards}
    refusal = _explain_refusal(database, held, shards)
    if refusal:
        raise NotSo(refusal)
    return held


def _explain_refusal(database: Database, held: Mapping[str, int], shards: int) -> str | None:
    if not database.group_buckets:
        return f"{database.name} has no sharded table (spec.tables): there are no buckets to move"
    if (database.expansion and database.expansion.is_running) or database.wanted_shards != len(held):
        return f"an expansion to {database.wanted_shards} shards is under way: plan the next one when it is complete"
    if sum(held.values()) != sum(database.group_buckets.values()) or not all(held.values()):
        return "the status does not account for every bucket now: see kubectl caisson status, and plan when it is Ready"
    if shards <= len(held):
        return f"it has {len(held)} shards, and shards can only grow for now: --shards must be more than that"
    smallest = min(database.group_buckets.values())
    if shards > smallest:
        return f"a table group has {smallest} buckets: there can be at most that many shards"
    return None


def _row(share: Share) -> tuple[object, ...]:
    now = "new" if share.is_new else share.held
    change = _range(share.least - share.held, share.most - share.held)
    return (share.shard, now, _range(share.least, share.most, sign=""), change)


def _range(least: int, most: int, sign: str = "+") -> str:
    ends = [f"{end:{sign}d}" if end else "0" for end in (least, most)]
    return ends[0] if least == most else f"{ends[0]} to {ends[1]}"


def _warnings(database: Database) -> list[str]:
    if database.durability == "asynchronous" and database.members_per_shard > 1:
        return [
            "It would not begin: durability is asynchronous. Set it to synchronous first (docs/how-to/expand-a-database.md)."
        ]
    return []
