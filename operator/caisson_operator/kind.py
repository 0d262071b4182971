"""What the frame must know of a custom resource and its room. Each room's `kind.py` fills one in; kinds.py lists them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from caisson_operator.api.definition import GROUP, VERSION
from caisson_operator.core.events import NAME_LABEL, tell_pod
from caisson_operator.core.news import News, Status, find_no_news
from caisson_operator.core.room import Room
from caisson_operator.effects.room_context import RoomContext

Resource = TypeVar("Resource")
RoomFactory = Callable[[RoomContext], Room[Resource, Any, BaseModel]]


@dataclass(frozen=True, slots=True)
class Kind(Generic[Resource]):
    name: str
    plural: str
    load: Callable[[Mapping[str, Any]], Resource]
    """Raises InvalidResource."""
    build_room: RoomFactory[Resource]
    """Called each time that this process begins to lead."""
    find_news: Callable[[Status, Status], list[News]] = find_no_news
    """What is new in a status beside its conditions, given the earlier one and it; each becomes an Event."""
    children: tuple[str, ...] = ("statefulsets", "pods")
    """Plurals of what is watched beside the resource itself, by the label of the kind (core/events.py)."""
    name_label: str = NAME_LABEL
    """The label of a child that names the resource it belongs to."""
    tell_pod: Callable[[Mapping[str, Any]], list[Any]] = tell_pod
    """The part of a pod that matters to this room."""
    api_version: str = f"{GROUP}/{VERSION}"


Kinds = tuple[Kind[Any], ...]
