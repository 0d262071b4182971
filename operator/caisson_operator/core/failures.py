"""What a status says when a reconcile could not be carried through. Pure.

One failed reconcile says nothing against the data: applications go on without the operator. So everything that was known stands,
`Degraded` turns true, and `Ready` is touched only where nobody had vouched for it before.
"""

from collections.abc import Mapping
from typing import Any

from .conditions import ConditionStatus, ConditionType

_MESSAGE_LIMIT = 2000


def failure_status(manifest: Mapping[str, Any], reason: str, message: str) -> dict[str, Any]:
    """The earlier status, with the failure written into its conditions, and into what an expansion that runs says of itself."""
    earlier: dict[str, Any] = manifest.get("status") or {}
    conditions = {condition["type"]: condition for condition in earlier.get("conditions", [])}
    failed = {"reason": reason, "message": message[:_MESSAGE_LIMIT]}
    conditions[ConditionType.DEGRADED] = {"type": "Degraded", "status": ConditionStatus.TRUE.value, **failed}
    if conditions.get(ConditionType.READY, {}).get("status") != ConditionStatus.TRUE:
        conditions[ConditionType.READY] = {"type": "Ready", "status": ConditionStatus.FALSE.value, **failed}
    return {**earlier, **_tell_expansion(earlier, f"{reason}: {message}"), "conditions": list(conditions.values())}


def _tell_expansion(earlier: Mapping[str, Any], message: str) -> dict[str, Any]:
    """A failure that repeats would else hide behind the message of the last step that went well, where people look first."""
    expansion = earlier.get("expansion")
    if not expansion or "startedAt" not in expansion or "finishedAt" in expansion:
        return {}
    return {"expansion": {**expansion, "message": message[:_MESSAGE_LIMIT]}}
