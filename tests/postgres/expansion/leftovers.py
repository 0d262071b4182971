"""What an expansion must not leave behind, on any shard."""

from collections.abc import Sequence

from postgres.clusters import Cluster

LEFTOVERS = {
    "slot": "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'logical'",
    "publication": "SELECT pubname FROM pg_publication",
    "subscription": "SELECT subname FROM pg_subscription",
    "replication origin": "SELECT roname FROM pg_replication_origin",
    "sentinel": "SELECT relname FROM pg_class WHERE relname LIKE 'sentinel%' AND relkind = 'r'",
    "loose leaf": """SELECT relname FROM pg_class LEFT JOIN pg_inherits ON inhrelid = oid
        WHERE relname ~ '_b[0-9]+$' AND relkind = 'r' AND (inhrelid IS NULL OR inhdetachpending)""",
    "enabled tombstone": "SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'caisson_moved' AND tgenabled <> 'D'",
    "open fence": "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'caisson-fence/%'",
}
CLAIMS = """
SELECT table_group, bucket FROM caisson.shard_map WHERE owner = (SELECT shard FROM caisson.identity)
"""


def find_leftovers(clusters: Sequence[Cluster]) -> list[str]:
    """A line for each thing that should be gone."""
    found = []
    for number, cluster in enumerate(clusters):
        with cluster.connect() as connection:
            for what, text in LEFTOVERS.items():
                found += [f"s{number}: {what} {name}" for (name,) in connection.execute(text).fetchall()]
    return found


def find_owners(clusters: Sequence[Cluster]) -> dict[tuple[str, int], list[str]]:
    """Who claims each (group, bucket) for itself."""
    owners: dict[tuple[str, int], list[str]] = {}
    for number, cluster in enumerate(clusters):
        with cluster.connect() as connection:
            for group, bucket in connection.execute(CLAIMS).fetchall():
                owners.setdefault((group, bucket), []).append(f"s{number}")
    return owners


def must_be_settled(clusters: Sequence[Cluster], buckets: int = 16) -> None:
    """Nothing is left behind, and the buckets are evenly spread, each with one owner."""
    assert find_leftovers(clusters) == []
    owners = find_owners(clusters)
    assert all(len(claims) == 1 for claims in owners.values()), owners
    held = sorted(sum(claims == [f"s{number}"] for claims in owners.values()) for number in range(len(clusters)))
    assert sum(held) == buckets
    assert held[-1] - held[0] <= 1, owners
