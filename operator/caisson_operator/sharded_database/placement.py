"""Which bucket belongs to which shard. Pure.

Initial placement spreads a group's buckets in runs of neighbours. An expansion moves the fewest buckets that leave every shard with
floor or ceiling of an equal share: only shards with too many give, only shards with too few receive.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from caisson_operator.core.layout import Bucket, SwitchGroup, TableGroup


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """One bucket from one shard to another."""

    source: str
    target: str
    bucket: Bucket


def place_initially(group: TableGroup, shards: Sequence[str]) -> dict[Bucket, str]:
    """Runs of neighbouring buckets, as even as they go."""
    return {bucket: shards[bucket.number * len(shards) // group.buckets] for bucket in group.all_buckets()}


def plan_moves(owners: Mapping[Bucket, str], shards: Sequence[str]) -> tuple[Move, ...]:
    """The fewest moves after which the shards hold equal shares (to within one) of this group's buckets."""
    held: dict[str, list[Bucket]] = {shard: [] for shard in shards}
    for bucket, owner in sorted(owners.items()):
        held[owner].append(bucket)
    share, extra = divmod(len(owners), len(shards))
    # The shards that hold the most already keep the larger shares: that is what makes the moves fewest.
    by_load = sorted(shards, key=lambda shard: -len(held[shard]))
    wanted = {shard: share + (1 if place < extra else 0) for place, shard in enumerate(by_load)}
    spare = [(shard, bucket) for shard in shards for bucket in held[shard][wanted[shard] :]]
    room = [shard for shard in shards for _ in range(wanted[shard] - len(held[shard]))]
    return tuple(Move(source, target, bucket) for (source, bucket), target in zip(spare, room, strict=True))


def form_switch_groups(
    expansion: int, moves: Sequence[Move], groups: Mapping[str, TableGroup], wanted: int
) -> tuple[SwitchGroup, ...]:
    """Cut the moves into about `wanted` switch groups; each has one source, one target and one table group.

    Every (source, target, table group) needs at least one, so there may be more than was asked for.
    """
    routes: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for move in sorted(moves):
        routes[(move.source, move.target, move.bucket.group)].append(move.bucket.number)
    cuts: list[tuple[int, tuple[str, str, str], tuple[int, ...]]] = []
    for route, numbers in routes.items():
        pieces = _pieces(numbers, max(1, round(wanted * len(numbers) / len(moves))))
        cuts.extend((turn, route, piece) for turn, piece in enumerate(pieces))
    # Routes take turns, so that early switches relieve every source alike.
    return tuple(
        SwitchGroup(expansion, number, route[0], route[1], groups[route[2]], piece)
        for number, (_, route, piece) in enumerate(sorted(cuts), start=1)
    )


def _pieces(numbers: Sequence[int], count: int) -> list[tuple[int, ...]]:
    count = min(count, len(numbers))
    edges = [len(numbers) * turn // count for turn in range(count + 1)]
    return [tuple(numbers[low:high]) for low, high in pairwise(edges)]
