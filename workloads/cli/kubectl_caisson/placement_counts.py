"""How many buckets each shard would give or receive. Pure.

Which buckets move is the operator's choice, from a map that is on the shards and not in the API server. How many is arithmetic: an
expansion moves the fewest buckets that leave every shard with floor or ceiling of an equal share of each table group, and
a shard that holds more keeps more. With several groups the status has only their sum, so some counts are a range of a few.
A test compares these counts with the operator's own plans.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """One shard before and after; its count afterwards lies between `least` and `most`, both included."""

    shard: str
    held: int
    least: int
    most: int

    @property
    def is_new(self) -> bool:
        return self.held == 0


def count_shares(held: Mapping[str, int], new: Sequence[str], group_buckets: Sequence[int]) -> list[Share]:
    """`held` are the shards that there are, with all their buckets; `group_buckets` the size of each table group."""
    if len(group_buckets) == 1:
        return _share_one_group(held, new, group_buckets[0])
    bounds = [_bounds(len(held), len(new), buckets) for buckets in group_buckets]
    old = [Share(shard, count, sum(b[0] for b in bounds), sum(b[1] for b in bounds)) for shard, count in held.items()]
    fresh = [sum(bound[2][place] for bound in bounds) for place in range(len(new))]
    return old + [Share(shard, 0, count, count) for shard, count in zip(new, fresh, strict=True)]


def count_moves(held: Mapping[str, int], new: Sequence[str], group_buckets: Sequence[int]) -> int:
    """All that the new shards receive; those that there are only give."""
    shares = count_shares(held, new, group_buckets)
    return sum(share.most for share in shares if share.shard in new)


def _share_one_group(held: Mapping[str, int], new: Sequence[str], buckets: int) -> list[Share]:
    every = {**held, **dict.fromkeys(new, 0)}
    share, extra = divmod(buckets, len(every))
    larger = set(sorted(every, key=lambda shard: -every[shard])[:extra])
    counts = {shard: share + (shard in larger) for shard in every}
    return [Share(shard, every[shard], counts[shard], counts[shard]) for shard in every]


def _bounds(old: int, new: int, buckets: int) -> tuple[int, int, list[int]]:
    """Least and most that a shard keeps of a group, and what each new one gets: larger shares stay where buckets are."""
    share, extra = divmod(buckets, old + new)
    fresh = [share + (place < extra - old) for place in range(new)]
    return share + (extra >= old), share + (extra > 0), fresh
