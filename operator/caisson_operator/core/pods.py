"""What a pod's own object tells, and times as Kubernetes writes them. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def read_time(text: str | None) -> datetime | None:
    """None for what is no time, or one that leaves its zone open."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def read_unready_since(pod: Mapping[str, Any]) -> datetime | None:
    """None while it is ready. Of a pod that no node takes there is no such condition yet: since it was made."""
    found = [c for c in (pod.get("status") or {}).get("conditions", []) if c["type"] == "Ready"]
    if not found:
        return read_time(pod["metadata"].get("creationTimestamp"))
    return None if found[0]["status"] == "True" else read_time(found[0].get("lastTransitionTime"))
