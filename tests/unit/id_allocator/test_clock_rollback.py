"""A server whose clock went back is told of in the status, in mode snowflake alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from caisson_operator.api.id_allocator_spec import Mode
from caisson_operator.core.backend import BackendSeen
from caisson_operator.core.decisions import Settled
from caisson_operator.core.objects import Owner
from caisson_operator.core.rollbacks import Rollback
from caisson_operator.effects.id_server import read_text
from caisson_operator.id_allocator.observed import Observed, ServerCounts, ServerPod, read_counts_of
from caisson_operator.id_allocator.status import build_status
from caisson_operator.id_allocator.wanted import Wanted, name_own_cluster

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NOTE = Rollback(3, "web-7f9c/1", 2, 0.5, datetime(2026, 11, 30, 1, tzinfo=timezone(timedelta(hours=3))))
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
    assert "pod-1 (3 times since its start)" in message
    assert "pod-0" not in message


def tell_notes(notes: tuple[Rollback, ...], *counts: ServerCounts, unknown: str = "") -> tuple[str, str, str]:
    wanted = Wanted(OWNER, Mode.SNOWFLAKE, None, False, {}, len(counts), "ids:1", {})
    pods = tuple(ServerPod(f"pod-{number}", "10.0.0.1", True, each) for number, each in enumerate(counts))
    seen = Observed({}, BackendSeen(), len(counts), True, pods, rollbacks=notes, rollbacks_unknown=unknown, now=NOW)
    (found,) = [each for each in build_status(wanted, seen, Settled()).conditions if each.type == "ClockRollback"]
    return str(found.status), found.reason, found.message


def test_names_an_application_that_has_noted_it_in_the_store() -> None:
    status, reason, message = tell_notes((NOTE,))
    assert (status, reason) == ("True", "ClockWentBack")
    told = "web-7f9c/1 (worker id 3, 2 times since its start, by at most 0.5 s, the last time at 2026-11-29T22:00:00Z)"
    assert told in message


def test_a_servers_note_is_not_told_beside_what_the_server_says_itself() -> None:
    own = replace(NOTE, teller="pod-0/1")
    status, _, message = tell_notes((own, NOTE), ServerCounts(10, 2), ServerCounts(10, 0))
    assert status == "True"
    assert message.count("pod-0") == 1
    assert "web-7f9c/1" in message
    assert "pod-0/1" in tell_notes((own,))[2], "a server that is gone is told of by its note"


def test_a_store_that_cannot_be_read_is_no_news_and_no_good_news() -> None:
    assert tell_notes((), unknown="no answer")[:2] == ("Unknown", "StoreNotRead")
    assert tell_notes((), ServerCounts(10, 1), unknown="no answer")[0] == "True"
    assert tell_notes(())[:2] == ("False", "NoneSeen")


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
