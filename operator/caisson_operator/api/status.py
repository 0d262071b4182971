"""Parts of a status that every kind has: conditions and the Service Binding."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, PlainSerializer

from caisson_operator.core.conditions import ConditionStatus

from .base import Wire


def format_time(moment: datetime) -> str:
    """As Kubernetes writes times: UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def format_precise_time(moment: datetime) -> str:
    """UTC to the microsecond, for moments between which a duration is measured."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Timestamp = Annotated[datetime, PlainSerializer(format_time, when_used="json")]
PreciseTimestamp = Annotated[datetime, PlainSerializer(format_precise_time, when_used="json")]


class Condition(Wire):
    """One aspect of the resource's state, as the Kubernetes API conventions have it."""

    type: Annotated[str, Field(max_length=63)]
    """What the condition is about."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """Why, in one stable word for programs."""
    message: Annotated[str, Field(max_length=4096)] = ""
    """Why, in words for people."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that the condition speaks of."""
    last_transition_time: Timestamp | None = None
    """When the status last changed."""


class Binding(Wire):
    """A reference to a Secret that holds what an application needs to connect (Service Binding specification)."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the Secret."""
