"""A primary fails over before a group has switched: what was copied no longer counts, and is copied again.

The standby takes the place of the dead primary under the same address, as a Service makes it.
"""

from collections.abc import Callable

import pytest

from caisson_operator.core.decisions import Step
from caisson_operator.effects.postgres.fence import Drill
from caisson_operator.sharded_database.steps import ForgetGroup, OnGroup, RecordGroup, Subscribe, Verify
from postgres.clusters import Cluster, running_standby
from postgres.expansion.driver import Operator
from postgres.expansion.ledger import Outcome
from postgres.expansion.leftovers import must_be_settled
from postgres.expansion.load import running_load
from postgres.expansion.promotion import make_synchronous, take_over
from postgres.expansion.stage import Stage

WARM_UP = 60
MOMENTS: dict[str, type[OnGroup]] = {"copying": Subscribe, "dual-writing": Verify}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_failover_before_the_switch_makes_its_groups_be_copied_again(stage: Stage, side: str, moment: str) -> None:
    victim: Cluster = getattr(stage, side)
    seen: list[Step] = []
    with running_standby(victim) as standby:
        make_synchronous(victim)
        fail_over = once_after(MOMENTS[moment], seen, lambda: take_over(standby, victim))
        with running_load(stage.clusters, stage.binding) as load:
            load.wait_for_writes(WARM_UP)
            operator = stage.expand(after_step=fail_over, survives_faults=True)
            load.wait_for_writes(WARM_UP)
            findings = load.check()
        must_be_settled(stage.clusters)
    assert findings.is_clean, findings
    assert load.count(Outcome.FAILED) == 0
    assert_copied_again(operator, seen)


def once_after(wanted: type[Step], seen: list[Step], act: Callable[[], None]) -> Callable[[Step], None]:
    """Notes every step that was done, and acts after the first one of the wanted kind."""

    def after_step(step: Step) -> None:
        is_first = isinstance(step, wanted) and not any(isinstance(earlier, wanted) for earlier in seen)
        seen.append(step)
        if is_first:
            act()

    return after_step


def assert_copied_again(operator: Operator, seen: list[Step]) -> None:
    """The group's record was forgotten, and made again with the timelines of now."""
    forgotten = [step.group.number for step in seen if isinstance(step, ForgetGroup)]
    assert forgotten, "no group was copied again"
    for number in forgotten:
        records = [step for step in seen if isinstance(step, RecordGroup) and step.group.number == number]
        first, *_, last = records
        assert (last.source_timeline, last.target_timeline) > (first.source_timeline, first.target_timeline)
    assert "CopyingAgain" in operator.reasons


@pytest.mark.parametrize("place", ["after durable write", "after commit"])
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_failover_in_the_middle_of_the_fence_loses_nothing(stage: Stage, side: str, place: str) -> None:
    """Before its COMMIT the group goes back and is copied again; after it the switch is rolled forward."""
    victim: Cluster = getattr(stage, side)
    done: list[Step] = []
    fenced: list[str] = []
    with running_standby(victim) as standby:
        make_synchronous(victim)

        def fail_over_once(now: str) -> None:
            if now == place and not fenced:
                fenced.append(now)
                take_over(standby, victim)

        with running_load(stage.clusters, stage.binding) as load:
            load.wait_for_writes(WARM_UP)
            stage.expand(drill=Drill(at=fail_over_once), after_step=done.append, survives_faults=True)
            load.wait_for_writes(WARM_UP)
            findings = load.check()
        must_be_settled(stage.clusters)
    assert findings.is_clean, findings
    forgotten = {step.group.number for step in done if isinstance(step, ForgetGroup)}
    assert forgotten - {1} == {2, 3, 4}
    if place == "after commit":
        assert 1 not in forgotten, "a committed fence was taken back"
    elif side == "source":
        assert 1 in forgotten, "a fence that died with its server counted as committed"
