"""Conditions as every room tells them. Pure."""

from caisson_operator.core.conditions import ConditionStatus, ConditionType
from caisson_operator.core.decisions import Decision, Plan, Settled, Wait

from .status import Condition

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
MOST_CHARACTERS = 2000


def build_condition(kind: ConditionType, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type=str(kind), status=status, reason=reason, message=message[:MOST_CHARACTERS])


def build_progressing(decision: Decision) -> Condition:
    reason, message = tell(decision)
    if isinstance(decision, Plan | Wait):
        return build_condition(ConditionType.PROGRESSING, TRUE, reason, message)
    return build_condition(
        ConditionType.PROGRESSING, FALSE, reason or "AsWanted", message or "what was asked for is there"
    )


def tell(decision: Decision) -> tuple[str, str]:
    """Its reason and its message; both empty where nothing is to be done."""
    return ("", "") if isinstance(decision, Settled) else (decision.reason, decision.message)
