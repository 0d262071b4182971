"""A round of a fault as a test: what must come of it does, and nothing is lost."""

from faults.checker import Kind
from faults.fault import Expected, Fault
from faults.rounds import Round, do_round
from faults.stage import Stage
from faults.verdict import judge

CONTROL_ROUNDS = 3


def must_end_as_expected(stage: Stage, fault: Fault) -> Round:
    stage.set_durability(fault.durability)
    done = do_round(stage, fault)
    assert judge(fault, done) == [], f"{done}\n{stage.members_log()}"
    return done


def must_lose_rows(stage: Stage, control: Fault, is_synchronous: bool = True) -> None:
    """The checker sees what is gone. Played until something is, a few times at most: whether anybody was told of a row in the moment
    that matters is chance."""
    for _ in range(CONTROL_ROUNDS):
        done = do_round(stage, control, is_synchronous)
        assert done.came is Expected.MOVES, f"{done}\n{stage.members_log()}"
        if Kind.LOST in {finding.kind for finding in done.findings}:
            return
    raise AssertionError(f"nothing was lost in {CONTROL_ROUNDS} rounds; the last: {done}\n{stage.members_log()}")
