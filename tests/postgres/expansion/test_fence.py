"""The switch under load, and what may hold it up. Nobody is ever cancelled, and nothing is lost."""

from postgres.expansion.ledger import Outcome
from postgres.expansion.leftovers import must_be_settled
from postgres.expansion.load import running_load
from postgres.expansion.stage import Stage

WARM_UP = 200


def test_switches_under_load_without_a_failure_a_loss_or_a_stale_read(stage: Stage) -> None:
    with running_load(stage.clusters, stage.binding) as load:
        load.wait_for_writes(WARM_UP)
        operator = stage.expand()
        load.wait_for_writes(WARM_UP)
        findings = load.check()
    assert findings.is_clean, findings
    assert load.count(Outcome.UNKNOWN) == 0
    assert len(operator.pauses) == 4
    must_be_settled(stage.clusters)
