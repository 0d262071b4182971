"""Which part of a member's pod matters to this room, so that the rest of its life wakes nobody. Pure.

Patroni writes into its pods' annotations every few seconds; of those only what a reconcile would act upon is told.
"""

from collections.abc import Mapping
from typing import Any

from caisson_operator.core.events import tell_pod

from .patroni_state import read_member_state


def tell_member(pod: Mapping[str, Any]) -> list[Any]:
    annotations = pod.get("metadata", {}).get("annotations") or {}
    return [*tell_pod(pod), read_member_state(annotations.get("status")).must_restart]
