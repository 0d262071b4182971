"""The settings of a shard's Patroni that follow from the resource. Pure.

At the first bootstrap they reach the pods as CAISSON_DCS and lie upon those of workloads/postgres/patroni.yml; from then
on the cluster keeps them itself, and what differs is sent to a member (configuring.py).
"""

from typing import Any

from caisson_operator.api.sharded_database_spec import Durability
from caisson_operator.core.quantities import parse_quantity

MEBIBYTE = 1024 * 1024
MOST_LAG = "maximum_lag_on_failover"
# Only the named synchronous standby may be promoted, and it has every acknowledged commit: what it lacks, in a bulk load for
# instance, nobody was told of. Patroni would refuse it over that.
ANY_LAG_BYTES = 1024 * 1024 * MEBIBYTE
# Of an asynchronous standby nothing else says how much would be lost. Patroni's own bound.
TOLERABLE_LAG_BYTES = MEBIBYTE
# Settings under which a member throws its data directory away by itself.
DISCARDING = ("remove_data_directory_on_rewind_failure", "remove_data_directory_on_diverged_timelines")


def build_cluster_settings(durability: Durability, members: int, storage_size: str) -> dict[str, Any]:
    """`storage_size` is a quantity such as 2Gi."""
    is_synchronous = durability != Durability.ASYNCHRONOUS and members > 1
    return {
        "synchronous_mode": is_synchronous,
        "synchronous_mode_strict": is_synchronous and durability == Durability.STRICT,
        # One named standby: its promotion ends the old primary's only source of acknowledgements.
        "synchronous_node_count": 1,
        MOST_LAG: ANY_LAG_BYTES if is_synchronous else TOLERABLE_LAG_BYTES,
        "postgresql": {
            # With every acknowledged commit on a standby, a member that cannot be rewound is worth less than a fresh
            # copy; without, it may hold the only copy of what was acknowledged, and a person decides.
            **dict.fromkeys(DISCARDING, is_synchronous),
            "parameters": build_disk_parameters(storage_size),
        },
    }


def build_disk_parameters(storage_size: str) -> dict[str, str]:
    """A slot that nobody reads may fill half of the volume at most, ordinary WAL an eighth."""
    megabytes = int(parse_quantity(storage_size) / MEBIBYTE)
    return {
        "max_slot_wal_keep_size": f"{max(megabytes // 2, 256)}MB",
        "max_wal_size": f"{min(max(megabytes // 8, 128), 4096)}MB",
    }
