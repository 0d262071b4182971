"""What a whole space looks like from outside: who holds, who waits, for how long. For people and metrics."""

from collections.abc import Sequence
from typing import Any

from kazoo.protocol.states import ZnodeStat

from caisson.locks.store import Holder, LockState, SpaceState

from .client import Sender
from .layout import Node, Space, build_token, find_holders, read_epoch, read_queue, unquote_part
from .opening import Opening
from .requests import list_children, list_with_state, look, write
from .session import Session

BATCH = 200
"""How many requests are under way at a time."""


class Observer:
    """Reads one space. Times are the servers' own: what they say when they are written to.

    Of a session nothing is known from outside but that it is not over, so a lease is told to have all of its time left.
    """

    def __init__(self, session: Session, space: Space, opening: Opening) -> None:
        self._session, self._space, self._opening = session, space, opening

    def read(self, lease_seconds: float, deadline: float) -> SpaceState:
        base = self._opening.read_base(deadline)
        clock: ZnodeStat = self._session.write(write(self._space.clock), deadline)
        waited = self._session.ask(look(self._space.waited), deadline)
        queues, granted = self._read_queues(deadline)
        locks = [
            LockState(name, self._read_holders(name, queue, base, clock, lease_seconds, deadline), _find_waiting(queue))
            for name, queue in queues.items()
        ]
        return SpaceState(base + read_epoch(clock.mzxid), granted, waited.version if waited else 0, tuple(locks))

    def _read_queues(self, deadline: float) -> tuple[dict[str, list[Node]], int]:
        """By the locks' names, without the empty ones; and how many nodes were ever made in them."""
        names = self._session.ask(list_children(self._space.names), deadline)
        answers = self._ask_in_batches([list_with_state(f"{self._space.names}/{name}") for name in names], deadline)
        found = {
            unquote_part(name): answer for name, answer in zip(names, answers, strict=True) if isinstance(answer, tuple)
        }
        queues = {name: read_queue(children) for name, (children, _) in found.items()}
        # A node's `cversion` counts children made and removed.
        made = sum((stat.cversion + stat.numChildren) // 2 for _, stat in found.values())
        return {name: queue for name, queue in queues.items() if queue}, made

    def _read_holders(
        self, name: str, queue: Sequence[Node], base: int, clock: ZnodeStat, lease_seconds: float, deadline: float
    ) -> tuple[Holder, ...]:
        holders = find_holders(queue)
        stats = self._ask_in_batches([look(f"{self._space.parent(name)}/{node.name}") for node in holders], deadline)
        return tuple(
            Holder(
                owner=node.owner,
                mode=node.mode,
                token=build_token(base, stat.czxid),
                held_seconds=max(0, clock.mtime - stat.mtime) / 1000,
                lease_left_seconds=lease_seconds,
            )
            for node, stat in zip(holders, stats, strict=True)
            if isinstance(stat, ZnodeStat)
        )

    def _ask_in_batches(self, requests: Sequence[Sender], deadline: float) -> list[Any]:
        batches = (requests[begin : begin + BATCH] for begin in range(0, len(requests), BATCH))
        return [answer for batch in batches for answer in self._session.ask_all(batch, deadline)]


def _find_waiting(queue: Sequence[Node]) -> tuple[str, ...]:
    holders = set(find_holders(queue))
    return tuple(node.owner for node in queue if node not in holders)
