"""A server whose clock went back is told of in the status, in mode snowflake alone."""

from datetime import UTC, datetime

import pytest

from caisson_operator.api.id_allocator_spec import Mode
from caisson_operator.core.backend import BackendSeen
from caisson_operator.core.decisions import Settled
from caisson_operator.core.objects import Owner
from caisson_operator.effects.id_server import read_text
from caisson_operator.id_allocator.observed import Observed, ServerCounts, ServerPod, read_counts_of
from caisson_operator.id_allocator.status import build_status
from caisson_operator.id_allocator.wanted import Wanted, name_own_cluster

NOW = datetime(2026, 11, 30, tzinfo=UTC)
OWNER = Owner("caisson.dev/v1alpha1", "IdAllocator", "demo", "orders", "uid")


def tell(mode: Mode, *counts: ServerCounts | None) -> tuple[str, str]:
    wanted = Wanted(OWNER, mode, None, False, {}, len(counts), "ids:1", {})
    pods = tuple(ServerPod(f"pod-{number}", "10.0.0.1", True, each) for number, each in enumerate(counts))
    status = build_status(wanted, Observed({}, BackendSeen(), len(counts), True, pods, now=NOW), Settled())
    (found,) = [each for each in status.conditions if each.type == "ClockRollback"]
    return str(found.status), found.message


def test_names_the_server_and_how_often() -> None:
    status, message = tell(Mode.SNOWFLAKE, ServerCounts(10, 0), ServerCounts(10, 3), None)
    assert status == "True"
    assert "pod-1 (3 times)" in message
    assert "pod-0" not in message


@pytest.mark.parametrize(
    ("mode", "counts"),
    [(Mode.SNOWFLAKE, ServerCounts(10, 0)), (Mode.SNOWFLAKE, None), (Mode.UUID7, ServerCounts(10, 3))],
)
def test_says_nothing_where_it_does_not_matter(mode: Mode, counts: ServerCounts | None) -> None:
    assert tell(mode, counts)[0] == "False"


def test_reads_what_the_server_tells_and_nothing_else() -> None:
    text = "# HELP x\ncaisson_id_allocated_total 42\ncaisson_id_clock_rollback_total 1\n"
    assert read_counts_of(read_text(text)) == ServerCounts(42, 1)
    more = "caisson_id_worker_ids_leased 7\ncaisson_id_worker_ids 1024\n"
    assert read_counts_of(read_text(text + more)) == ServerCounts(42, 1, 7, 1024)
    assert read_counts_of(read_text("something else")) is None
    assert read_counts_of(None) is None


def test_tells_how_many_worker_ids_are_leased() -> None:
    wanted = Wanted(OWNER, Mode.SNOWFLAKE, None, False, {}, 2, "ids:1", {})
    pods = tuple(
        ServerPod(name, "10.0.0.1", True, ServerCounts(1, 0, leased, 8)) for name, leased in (("a", 7), ("b", 6))
    )
    status = build_status(wanted, Observed({}, BackendSeen(), 2, True, pods, now=NOW), Settled())
    assert status.server is not None
    assert (status.server.leased_worker_ids, status.server.worker_ids) == (7, 8)


def test_an_own_clusters_name_is_short_enough() -> None:
    assert name_own_cluster("orders") == "orders-idstore"
    assert len(name_own_cluster("a" * 30)) == 30
