"""What kopf watches for all rooms. A handler trusts nothing of an event but the name, and only passes that on.

Handlers are coroutines, since kopf runs plain functions on threads, and the queue belongs to the event loop.
"""

from collections.abc import Callable, Iterator
from typing import Any

import kopf

from caisson_operator.core.events import KIND_LABEL, owner_of, significant_part, tell_pod
from caisson_operator.kind import Kinds
from caisson_operator.reconcile import Key

Notify = Callable[[Key], None]
Heard = Callable[[str], None]

_GROUPS = {"deployments": "apps", "endpoints": "", "statefulsets": "apps", "pods": ""}
"""API group of each plural that may stand among a kind's children; all are of version v1."""


class ChangeFilter:
    """Remembers the part of each object that mattered last. Losing it costs one reconcile too many."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def is_news(self, event_type: str | None, body: Any, tell: Callable[[Any], list[Any]] = tell_pod) -> bool:
        uid = body["metadata"]["uid"]
        if event_type == "DELETED":
            self._seen.pop(uid, None)
            return True
        part = significant_part(body, tell)
        if self._seen.get(uid) == part:
            return False
        self._seen[uid] = part
        return True


class Residents:
    """Which resources have members on which node. What was lost of it is found at the next resync."""

    def __init__(self) -> None:
        self._members: dict[str, tuple[str, Key]] = {}

    def note(self, event_type: str | None, pod: Any, owner: Key) -> None:
        if event_type == "DELETED":
            self._members.pop(pod["metadata"]["uid"], None)
        elif node := (pod.get("spec") or {}).get("nodeName"):
            self._members[pod["metadata"]["uid"]] = (node, owner)

    def find(self, node: str) -> frozenset[Key]:
        return frozenset(owner for of, owner in self._members.values() if of == node)


def register_handlers(
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    kinds: Kinds,
    notify: Notify,
    heard: Heard,
    reads_nodes: bool,
) -> None:
    """`notify(key)` for what has changed; `heard(kind)` for every event, news or not."""
    changes, residents = ChangeFilter(), Residents()
    name_labels = {kind.name: kind.name_label for kind in kinds}
    tell = {kind.name: kind.tell_pod for kind in kinds}

    async def on_change(type: str | None, body: Any, **_: Any) -> None:
        heard(str(body.get("kind")))
        found = owner_of(body, name_labels)
        if found is None:
            return
        owner = Key(*found)
        if body.get("kind") == "Pod":
            residents.note(type, body, owner)
        if changes.is_news(type, body, tell[owner.kind]):
            notify(owner)

    async def on_node(type: str | None, body: Any, **_: Any) -> None:
        """An idle cluster says little of its nodes, so their silence means nothing."""
        if changes.is_news(type, body):
            for owner in residents.find(body["metadata"]["name"]):
                notify(owner)

    for kind in kinds:
        group, version = kind.api_version.split("/")
        kopf.on.event(group, version, kind.plural, registry=registry, id=kind.plural)(on_change)
    for plural, names in _children(kinds):
        settings.watching.label_selectors[plural] = f"{KIND_LABEL} in ({','.join(names)})"
        kopf.on.event(_GROUPS[plural], "v1", plural, registry=registry, id=plural)(on_change)
    if reads_nodes:
        kopf.on.event("v1", "nodes", registry=registry, id="node")(on_node)


def _children(kinds: Kinds) -> Iterator[tuple[str, list[str]]]:
    """Each plural that some kind watches, and the names of those that do."""
    for plural in dict.fromkeys(plural for kind in kinds for plural in kind.children):
        yield plural, [kind.name for kind in kinds if plural in kind.children]
