"""What was seen of one lock space in one look. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from caisson_operator.core.decisions import Refuse, Wait
from caisson_operator.core.lock_space import SpaceView


@dataclass(frozen=True, slots=True)
class Observed:
    """`entries` are those of the backend's own binding; `trouble` is why it does not serve. `contents` of what is ours: kind and name -> hash (core/content.py)."""

    now: datetime
    contents: Mapping[tuple[str, str], str]
    entries: Mapping[str, str] | None = field(default=None, repr=False)
    trouble: Wait | Refuse | None = None
    space: SpaceView | None = None
    longest_wait_seconds: float = 0.0
    status: Mapping[str, Any] = field(default_factory=dict)
    """What was told last."""

    @property
    def told_epoch(self) -> int:
        return int(self.status.get("epoch") or 0)
