"""An answer counts only once the standby has it: else a failover would give the same range, or the same time, again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import caisson
from caisson.connections import ShardConnection
from caisson.ids.demand import Provision
from postgres.clusters import Cluster, running_clusters

CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@contextmanager
def without_its_standby(server: Cluster) -> Iterator[None]:
    """Commits wait for a standby that never comes, until somebody loses patience: then they are acknowledged, with a warning."""
    is_over = threading.Event()

    def lose_patience() -> None:
        with server.connect() as raw:
            while not is_over.wait(0.02):
                raw.execute(CANCEL)

    with server.connect() as raw:
        raw.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        raw.execute("SELECT pg_reload_conf()")
        thread = threading.Thread(target=lose_patience)
        thread.start()
        try:
            yield
        finally:
            raw.execute("ALTER SYSTEM RESET synchronous_standby_names")
            raw.execute("SELECT pg_reload_conf()")
            is_over.set()
            thread.join()


def take_more_than_is_in_hand() -> list[int]:
    with (
        running_clusters(1) as (server,),
        caisson.IdAllocator.connect(dsn=server.dsn(), mode="segment", provision=Provision(step=10), timeout=1.0) as ids,
    ):
        ids.next()
        with without_its_standby(server):
            return list(ids.take(1000))


def test_a_range_that_no_standby_has_is_not_given_out() -> None:
    with pytest.raises(caisson.NoIds, match="standby"):
        take_more_than_is_in_hand()


def test_without_that_it_is_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: nobody hears the warning."""
    monkeypatch.setattr(ShardConnection, "note_notice", lambda connection, diagnostic: None)
    assert len(take_more_than_is_in_hand()) == 1000
