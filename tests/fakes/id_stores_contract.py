"""What every store of worker ids does, the fake one as the real ones. `store` and `other` are two clients of one new space."""

import time
from collections.abc import Callable

import pytest

from caisson.errors import NoWorkerId
from caisson.ids.grants import Grant, LeaseLost, RollbackReport, WorkerStore

LEASE_MS = 600_000
OpenStore = Callable[[], WorkerStore]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class WorkerStoreContract:
    """The space has two worker ids."""

    def test_two_owners_have_different_worker_ids(self, open_store: OpenStore) -> None:
        assert {open_store().claim(now_ms(), LEASE_MS).worker for _ in range(2)} == {0, 1}

    def test_a_grant_begins_now_and_ends_where_time_is_reserved(self, open_store: OpenStore) -> None:
        now = now_ms()
        grant = open_store().claim(now, LEASE_MS)
        assert (grant.from_ms, grant.until_ms) == (now, now + LEASE_MS)

    def test_refuses_a_third_owner(self, open_store: OpenStore) -> None:
        stores = [open_store(), open_store()]
        for store in stores:
            store.claim(now_ms(), LEASE_MS)
        with pytest.raises(NoWorkerId):
            open_store().claim(now_ms(), LEASE_MS)

    def test_moves_the_mark_forward_only(self, open_store: OpenStore) -> None:
        store = open_store()
        grant = store.claim(now_ms(), LEASE_MS)
        further = store.extend(grant, grant.until_ms + 5, LEASE_MS)
        assert further.until_ms == grant.until_ms + 5
        assert store.extend(further, grant.until_ms - 5, LEASE_MS).until_ms == further.until_ms

    def test_does_not_give_away_a_worker_id_whose_mark_lies_ahead(self, open_store: OpenStore) -> None:
        for _ in range(2):
            self.claim_and_end(open_store, now_ms() + LEASE_MS)
        with pytest.raises(NoWorkerId):
            open_store().claim(now_ms(), LEASE_MS)

    def test_a_claimer_whose_clock_is_behind_the_mark_gets_nothing(self, open_store: OpenStore) -> None:
        for _ in range(2):
            self.claim_and_end(open_store, now_ms())
        with pytest.raises(NoWorkerId):
            open_store().claim(now_ms() - 3_600_000, LEASE_MS)

    def test_recycles_a_worker_id_once_its_lease_and_its_mark_are_over(self, open_store: OpenStore) -> None:
        ended = [self.claim_and_end(open_store, now_ms() - 1000) for _ in range(2)]
        again = open_store().claim(now_ms(), LEASE_MS)
        assert again.worker in {grant.worker for grant in ended}
        assert again.owner not in {grant.owner for grant in ended}
        assert again.from_ms >= max(grant.until_ms for grant in ended if grant.worker == again.worker)

    def test_an_owner_that_was_replaced_learns_it_and_moves_nothing(self, open_store: OpenStore) -> None:
        first = open_store()
        grants = [first.claim(now_ms() - 2000, 1000), open_store().claim(now_ms(), LEASE_MS)]
        first.release(grants[0])
        second = open_store()
        mine = second.claim(now_ms(), LEASE_MS)
        assert mine.worker == grants[0].worker
        with pytest.raises(LeaseLost):
            first.extend(grants[0], now_ms() + 9 * LEASE_MS, LEASE_MS)
        first.release(grants[0])
        assert second.extend(mine, mine.until_ms + 1, LEASE_MS).until_ms == mine.until_ms + 1

    def test_counts_those_that_have_an_owner(self, open_store: OpenStore) -> None:
        store = open_store()
        assert store.count_leased() == 0
        grant = store.claim(now_ms(), LEASE_MS)
        open_store().claim(now_ms(), LEASE_MS)
        assert store.count_leased() == 2
        store.release(grant)
        assert store.count_leased() == 1

    def test_a_note_of_a_clock_that_went_back_changes_nothing_else(self, open_store: OpenStore) -> None:
        store = open_store()
        grant = store.claim(now_ms(), LEASE_MS)
        for times in (1, 2):
            store.report_rollback(grant, RollbackReport("host/1", times, 10, 0))
        assert store.count_leased() == 1
        assert store.extend(grant, grant.until_ms, LEASE_MS).until_ms == grant.until_ms
        assert open_store().claim(now_ms(), LEASE_MS).worker != grant.worker

    def claim_and_end(self, open_store: OpenStore, until_ms: int) -> Grant:
        """An owner that reserved time up to there, and has gone in order."""
        store = open_store()
        grant = store.claim(until_ms - 1000, 1000)
        store.release(grant)
        return grant
