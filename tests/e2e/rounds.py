"""A round of a fault as a test: what must come of it does, and nothing is lost."""

from faults.checker import Kind
from faults.rounds import Round, do_round
from faults.stage import Stage
from faults.table import Expected, Fault


def must_end_as_expected(stage: Stage, fault: Fault) -> Round:
    stage.set_durability(fault.durability)
    done = do_round(stage, fault)
    assert done.findings == ()
    assert (done.fault, done.came) == (fault.name, fault.expected), f"{done}\n{stage.members_log()}"
    assert done.acknowledged > 0
    return done


def must_lose_rows(stage: Stage, done: Round) -> None:
    """Of a control: the checker sees what is gone."""
    assert done.came is Expected.MOVES, f"{done}\n{stage.members_log()}"
    assert Kind.LOST in {finding.kind for finding in done.findings}, f"{done}\n{stage.members_log()}"
