"""The settings of a shard's Patroni that follow from the resource. Pure.

At the first bootstrap they reach the pods as CAISSON_DCS and lie upon those of workloads/postgres/patroni.yml; from then
on the cluster keeps them itself, and what differs is sent to a member (configuring.py).
"""

from collections.abc import Mapping
from typing import Any

from caisson_operator.api.sharded_database_spec import Durability, Failover
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
# What is set unless the user sets it: small, since a member's memory may be.
DEFAULT_PARAMETERS = {"shared_buffers": "64MB", "jit": "off"}
# Beside the parameters themselves: names of those that the user had set, so that one that is taken out is found.
OF_USER = "caisson_parameters"
# Beside the timings: that they were asked for, so that those of a user who takes his wish back go back to the shortest.
HAS_TIMINGS = "caisson_failover"


def build_cluster_settings(
    durability: Durability,
    members: int,
    storage_size: str,
    parameters: Mapping[str, str],
    failover: Failover | None = None,
) -> dict[str, Any]:
    """`storage_size` is a quantity such as 2Gi, `parameters` and `failover` are the user's."""
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
            "parameters": {**DEFAULT_PARAMETERS, **parameters, **build_disk_parameters(storage_size)},
        },
        OF_USER: sorted(parameters),
        **({HAS_TIMINGS: True, **build_timings(failover)} if failover else {}),
    }


def build_timings(failover: Failover) -> dict[str, int]:
    """Seconds, as Patroni calls them."""
    return {
        "ttl": failover.ttl_seconds,
        "loop_wait": failover.loop_wait_seconds,
        "retry_timeout": failover.retry_timeout_seconds,
    }


def build_disk_parameters(storage_size: str) -> dict[str, str]:
    """A slot that nobody reads may fill half of the volume at most, ordinary WAL an eighth."""
    megabytes = int(parse_quantity(storage_size) / MEBIBYTE)
    return {
        "max_slot_wal_keep_size": f"{max(megabytes // 2, 256)}MB",
        "max_wal_size": f"{min(max(megabytes // 8, 128), 4096)}MB",
    }
