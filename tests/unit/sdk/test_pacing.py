"""With which error an operation gives up."""

import pytest

from caisson import Moved, NoPrimary, OutcomeUnknown, Unavailable
from caisson.attempt import InDoubt, Refused
from caisson.binding import Binding
from caisson.endpoints import Endpoints
from caisson.map_source import MapSource
from caisson.outcome import Verdict
from caisson.pacing import Pacing


@pytest.fixture
def source() -> MapSource:
    return MapSource(Endpoints(lambda: Binding({}, (), {}), 1))


def refused(verdict: Verdict) -> Refused:
    return Refused(verdict, "because")


def refuse_until_it_gives_up(pacing: Pacing) -> None:
    for _ in range(100):
        pacing.after(refused(Verdict.NO_PRIMARY))


@pytest.mark.parametrize(
    ("verdict", "error"),
    [
        (Verdict.MOVED, Moved),
        (Verdict.NO_PRIMARY, NoPrimary),
        (Verdict.LOST, NoPrimary),
        (Verdict.CONFLICT, Unavailable),
    ],
)
def test_at_the_deadline_the_last_refusal_names_the_error(
    source: MapSource, verdict: Verdict, error: type[Unavailable]
) -> None:
    pacing = Pacing(source, 0, is_repeatable=False)
    with pytest.raises(error, match="gave up after 0 s; nothing was done: because"):
        pacing.after(refused(verdict))


def test_before_the_deadline_a_refusal_is_followed_by_another_attempt(source: MapSource) -> None:
    pacing = Pacing(source, 10, is_repeatable=False)
    pacing.begin_attempt()
    pacing.after(refused(Verdict.MOVED))
    pacing.after(refused(Verdict.CONFLICT))


def test_doubt_ends_an_operation_without_a_key_at_once(source: MapSource) -> None:
    with pytest.raises(OutcomeUnknown, match="without an idempotency_key") as raised:
        Pacing(source, 10, is_repeatable=False).after(InDoubt("lost"))
    assert not raised.value.is_safe_to_retry


def test_doubt_is_not_forgotten_when_later_attempts_are_refused(source: MapSource) -> None:
    pacing = Pacing(source, 0.08, is_repeatable=True)
    pacing.after(InDoubt("lost"))
    with pytest.raises(OutcomeUnknown) as raised:
        refuse_until_it_gives_up(pacing)
    assert raised.value.is_safe_to_retry


def test_a_database_that_is_closed_ends_its_operations(source: MapSource) -> None:
    pacing = Pacing(source, 3600, is_repeatable=True)
    source.close()
    with pytest.raises(NoPrimary, match="the database was closed; nothing was done: because"):
        pacing.after(refused(Verdict.NO_PRIMARY))
