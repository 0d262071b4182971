"""What kopf watches for this room. A handler trusts nothing of an event but the name, and only passes that on.

Handlers are coroutines, since kopf runs plain functions on threads, and the queue belongs to the event loop.
"""

from collections.abc import Callable
from typing import Any

import kopf

from caisson_operator.api.definitions import GROUP, VERSION
from caisson_operator.sharded_database.events import KIND, KIND_LABEL, database_of, significant_part

Notify = Callable[[str, str], None]
Heard = Callable[[str], None]


class ChangeFilter:
    """Remembers the part of each object that mattered last. Losing it costs one reconcile too many."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def is_news(self, event_type: str | None, body: Any) -> bool:
        uid = body["metadata"]["uid"]
        if event_type == "DELETED":
            self._seen.pop(uid, None)
            return True
        part = significant_part(body)
        if self._seen.get(uid) == part:
            return False
        self._seen[uid] = part
        return True


def register_handlers(
    registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings, notify: Notify, heard: Heard
) -> None:
    """`notify(namespace, name)` for what has changed; `heard(kind)` for every event, news or not."""
    changes = ChangeFilter()

    async def on_change(type: str | None, body: Any, **_: Any) -> None:
        heard(str(body.get("kind")))
        database = database_of(body)
        if database is not None and changes.is_news(type, body):
            notify(*database)

    labels = {KIND_LABEL: KIND}
    settings.watching.label_selectors["statefulsets"] = f"{KIND_LABEL}={KIND}"
    settings.watching.label_selectors["pods"] = f"{KIND_LABEL}={KIND}"
    kopf.on.event(GROUP, VERSION, "shardeddatabases", registry=registry, id="database")(on_change)
    kopf.on.event("apps", "v1", "statefulsets", registry=registry, id="statefulset", labels=labels)(on_change)
    kopf.on.event("v1", "pods", registry=registry, id="pod", labels=labels)(on_change)
