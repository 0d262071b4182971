"""What the status said last of things that cannot be read anywhere else again. Pure.

A status is a cache, and may have been written by another version of this operator: fields that are not known are left
aside, and what cannot be understood counts as not said. With one exception: a request for a switchover that a status
speaks of in words unknown here is over, since it must not be run a second time.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from caisson_operator.api.base import Wire
from caisson_operator.api.failover_status import (
    REQUEST_LENGTH,
    FailoverStatus,
    LeaderStatus,
    SwitchoverPhase,
    SwitchoverStatus,
)
from caisson_operator.api.sharded_database_status import ExpansionStatus
from caisson_operator.core.pods import read_time

Model = TypeVar("Model", bound=Wire)


@dataclass(frozen=True, slots=True)
class Recorded:
    """`leaders` and `unprotected_since` are by shard."""

    failovers: tuple[FailoverStatus, ...] = ()
    expansion: ExpansionStatus | None = None
    switchover: SwitchoverStatus | None = None
    leaders: Mapping[str, LeaderStatus] = field(default_factory=dict)
    unprotected_since: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def running_expansion(self) -> ExpansionStatus | None:
        """One that had begun and not ended. Where its record is out of reach, this is what is known of it."""
        seen = self.expansion
        return seen if seen and seen.started_at and not seen.finished_at else None


NOTHING_RECORDED = Recorded()


def read_recorded(status: Mapping[str, Any]) -> Recorded:
    shards = {str(shard.get("name")): shard for shard in status.get("shards", ())}
    leaders = {name: _read(LeaderStatus, shard.get("leader")) for name, shard in shards.items()}
    since = {name: read_time(shard.get("unprotectedSince")) for name, shard in shards.items()}
    failovers = (_read(FailoverStatus, entry) for entry in status.get("failovers", ()))
    return Recorded(
        failovers=tuple(entry for entry in failovers if entry),
        expansion=_read(ExpansionStatus, status.get("expansion")),
        switchover=_read_switchover(status.get("switchover")),
        leaders={name: leader for name, leader in leaders.items() if leader},
        unprotected_since={name: moment for name, moment in since.items() if moment},
    )


def _read_switchover(said: Any) -> SwitchoverStatus | None:
    found = _read(SwitchoverStatus, said)
    if found or not said:
        return found
    return SwitchoverStatus(
        request=str(said.get("request", ""))[:REQUEST_LENGTH],
        shard=said.get("shard"),
        phase=SwitchoverPhase.FAILED,
        message="another version of the operator has written about this request; ask again under another id",
    )


def _read(model: type[Model], said: Any) -> Model | None:
    if not isinstance(said, Mapping):
        return None
    known = {str(part.validation_alias) for part in model.model_fields.values()}
    try:
        return model.model_validate_json(json.dumps({name: said[name] for name in known & set(said)}))
    except ValidationError:
        return None
