"""10^6 ids by 64 workers, killed, with clocks that jump by an hour, worker ids used again, the store away: none twice."""

import pytest

from postgres.clusters import Cluster
from postgres.ids.storm import Plan, run_storm


def test_no_id_comes_twice_in_a_storm(server: Cluster, space: str) -> None:
    outcome = run_storm(Plan("caisson", ids=1_000_000, kills=12, outages=2), server, space)
    print(outcome)
    assert outcome.duplicates == 0
    assert outcome.ids >= 1_000_000
    assert outcome.used_again > 0, "no worker id was used again: the storm shows nothing"


def test_a_common_library_gives_ids_twice_in_the_same_storm(server: Cluster, space: str) -> None:
    """The control: a number for each worker, chosen with care and never shared; only restarts and clocks go wrong."""
    pytest.importorskip("snowflake", reason="the package snowflake-id (tests/requirements.in) is not installed")
    outcome = run_storm(Plan("common", ids=1_000_000, kills=16, outages=0), server, space)
    print(outcome)
    assert outcome.duplicates > 0
