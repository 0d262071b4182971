"""What Patroni and PostgreSQL are set to, so that a failover takes seconds and loses nothing, and the place that sets it.

Each value has its reason in the protocol of failover; to change one here without measuring again is the mistake that this
table is to stop.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from caisson_operator.api.sharded_database_spec import Durability, Failover
from caisson_operator.sharded_database.manifests import build_cluster_settings
from caisson_operator.sharded_database.manifests.settings import ANY_LAG_BYTES, TOLERABLE_LAG_BYTES, build_timings

ROOT = Path(__file__).parents[3]
IN_EVERY_POD = yaml.safe_load((ROOT / "workloads/postgres/patroni.yml").read_text())
AT_BOOTSTRAP = IN_EVERY_POD["bootstrap"]["dcs"]
SERVER = IN_EVERY_POD["postgresql"]["parameters"]


def settings(durability: str, members: int = 2) -> dict[str, Any]:
    return build_cluster_settings(Durability(durability), members, "2Gi", {})


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        (AT_BOOTSTRAP, "ttl", 20),
        (AT_BOOTSTRAP, "loop_wait", 1),
        (AT_BOOTSTRAP, "retry_timeout", 3),
        (AT_BOOTSTRAP, "primary_start_timeout", 0),
        (AT_BOOTSTRAP, "primary_stop_timeout", 5),
        (AT_BOOTSTRAP, "failsafe_mode", True),
        (AT_BOOTSTRAP["postgresql"], "use_pg_rewind", True),
        (AT_BOOTSTRAP["postgresql"]["parameters"], "wal_log_hints", "on"),
        (SERVER, "wal_sender_timeout", "3s"),
        (SERVER, "wal_receiver_timeout", "3s"),
        (SERVER, "wal_receiver_status_interval", "1s"),
        (SERVER, "tcp_keepalives_idle", 2),
        (SERVER, "tcp_keepalives_interval", 1),
        (SERVER, "tcp_keepalives_count", 2),
        (SERVER, "tcp_user_timeout", 3000),
        (IN_EVERY_POD["kubernetes"], "use_endpoints", True),
    ],
)
def test_every_pod_has_what_makes_a_failover_quick(place: dict[str, Any], name: str, value: object) -> None:
    assert place[name] == value


@pytest.mark.parametrize(
    ("durability", "members", "expected"),
    [
        ("synchronous", 2, (True, False, ANY_LAG_BYTES)),
        ("synchronous", 3, (True, False, ANY_LAG_BYTES)),
        ("strict", 2, (True, True, ANY_LAG_BYTES)),
        ("asynchronous", 2, (False, False, TOLERABLE_LAG_BYTES)),
        ("asynchronous", 1, (False, False, TOLERABLE_LAG_BYTES)),
    ],
)
def test_durability_is_what_follows_from_the_resource(
    durability: str, members: int, expected: tuple[bool, bool, int]
) -> None:
    """`synchronous_mode` is True and never `quorum`: with early expiry that loses what was acknowledged (tests/faults/quorum.py)."""
    made = settings(durability, members)
    names = ("synchronous_mode", "synchronous_mode_strict", "maximum_lag_on_failover")
    assert tuple(made[name] for name in names) == expected
    assert made["synchronous_node_count"] == 1


def test_what_follows_from_the_resource_is_set_in_one_place() -> None:
    """What stood in both would be the resource's at a shard's bootstrap, and nobody could tell by reading the file."""
    both = AT_BOOTSTRAP.keys() & settings("synchronous").keys()
    assert both == {"postgresql"}


def test_timings_that_nobody_asks_for_are_those_of_every_pod_and_fit_together() -> None:
    made = build_timings(Failover())
    assert made == {name: AT_BOOTSTRAP[name] for name in made}
    assert made["loop_wait"] + 2 * made["retry_timeout"] <= made["ttl"]
