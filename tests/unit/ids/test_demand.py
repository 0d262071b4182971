"""How much is fetched ahead: what an outage takes, no more, and not for one burst."""

from hypothesis import given
from hypothesis import strategies as st

from caisson.ids.demand import GROWTH, Load, Provision


def test_what_waits_lasts_through_the_outage() -> None:
    assert Provision(step=1000, rated_per_second=500.0).target(0.0) >= 500 * 600
    assert Provision(step=1000).target(2_000.0) >= 2_000 * 600


def test_an_idle_allocator_fetches_a_step() -> None:
    assert Provision(step=1000).fetch(0, 0.0, 0) == 1000
    assert Provision(step=1000).fetch(1000, 0.0, 1000) == 0


def test_fetches_the_rated_load_at_once() -> None:
    provision = Provision(step=10, rated_per_second=1_000.0)
    assert provision.fetch(0, 0.0, 0) == provision.target(0.0)


def test_grows_step_by_step_with_a_load_that_nobody_promised() -> None:
    assert Provision(step=1000).fetch(0, 1e6, 1000) == 1000 * GROWTH


@given(waiting=st.integers(0, 10**9), seen=st.floats(0, 1e7), last=st.integers(1, 10**9))
def test_never_fetches_beyond_what_is_due(waiting: int, seen: float, last: int) -> None:
    provision = Provision(step=1000)
    count = provision.fetch(waiting, seen, last)
    assert count == 0 or 1000 <= count <= max(1000, provision.target(seen) - waiting)


def test_a_load_is_believed_at_once_and_forgotten_slowly() -> None:
    load = Load()
    load.note(0, 0.0)
    load.note(5_000, 1.0)
    assert load.per_second == 5_000
    load.note(5_000, 601.0)
    assert load.per_second == 2_500
