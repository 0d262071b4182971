"""What the agent of the epoch may do in Kubernetes: read and change the number, and where clients are led to. Pure."""

from typing import Any

from caisson_operator.core.rights import build_account

from ..wanted import Wanted
from .names import Names


def build_rights(wanted: Wanted) -> tuple[dict[str, Any], ...]:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    return build_account(wanted.owner.owned(names.epoch), _build_rules(wanted, names))


def _build_rules(wanted: Wanted, names: Names) -> list[dict[str, Any]]:
    may_change = {"apiGroups": [""], "verbs": ["get", "update"]}
    number = {**may_change, "resources": ["configmaps"], "resourceNames": [names.epoch]}
    leading = {**may_change, "resources": ["endpoints"], "resourceNames": [names.cluster]}
    return [number, leading] if wanted.is_replicated else [number]
