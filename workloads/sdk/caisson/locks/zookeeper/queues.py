"""The queue of one lock after another: joining it, standing in it, being granted, leaving it. One attempt each.

What is interrupted (the connection or the session went, caisson.locks.zookeeper.session) raises Interrupted, and is tried
again by the store with `again`: then the claim's node is looked for before another one is made.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kazoo.exceptions import NoNodeError
from kazoo.protocol.states import ZnodeStat

from caisson.locks.store import Claim, Grant

from .layout import Node, Place, Space, build_prefix, build_token, find_newcomer, find_place, read_queue
from .opening import Opening
from .requests import check, create, delete, list_children, look
from .session import Interrupted, Session

LEASE_SHARE = 1 / 2
"""Of the session (caisson.locks.zookeeper.session says why)."""
CONFIRM_SHARE = 1 / 3
"""Of the lease: how old a waiter lets the last confirmation of its session grow."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A claim's node, as it was made; `queue` is as it stood just afterwards."""

    path: str
    parent: str
    node: Node
    czxid: int
    session_id: int
    queue: tuple[Node, ...] = ()


class Removed(Exception):
    """The claim's own node is not there any more, though its session lives: somebody took the claim away."""


class Queues:
    """All queues of one space, for one client."""

    def __init__(self, session: Session, space: Space, opening: Opening) -> None:
        self._session, self._space, self._opening = session, space, opening

    @property
    def lease_seconds(self) -> float:
        return self._session.seconds * LEASE_SHARE

    @property
    def confirm_seconds(self) -> float:
        return self.lease_seconds * CONFIRM_SHARE

    def enter(self, claim: Claim, owner: str, deadline: float, again: bool) -> Entry:
        """The claim's node: one that an interrupted request has made in this session, or a new one."""
        self._opening.read_base(deadline)
        parent = self._space.parent(claim.name)
        found = self._find_own(parent, owner, deadline) if again else None
        return found or self._create(parent, claim, owner, deadline)

    def stand(self, entry: Entry, place: Place, deadline: float) -> Place:
        """Wait until a node that is in the way goes. Raises Removed."""
        watched = [entry.path, *(f"{entry.parent}/{node.name}" for node in place.watched)]
        with self._session.watching(watched) as bell:
            own, *others = self._session.ask_all([self._session.watch(path) for path in watched], _soon(self._session))
            if own is not None and all(stat is not None for stat in others):
                self._sleep(entry, bell.wait, deadline)
        self._session.confirmed_at(entry.session_id)
        if own is None or entry.path in bell.gone:
            raise Removed
        if place.ahead == 1 and watched[1] in bell.gone:
            return Place(0, ())
        return self._look_again(entry)

    def grant(self, claim: Claim, entry: Entry, deadline: float) -> Grant:
        """What an entry that nobody is in the way of is worth: the lease begins when its session was last confirmed."""
        confirmed_at = self._session.confirmed_at(entry.session_id)
        if time.monotonic() - confirmed_at > 2 * self.confirm_seconds:
            self._confirm(entry, deadline)
            confirmed_at = self._session.confirmed_at(entry.session_id)
        token = build_token(self._opening.read_base(deadline), entry.czxid)
        return Grant(claim, entry.node.owner, token, confirmed_at, replace(entry, queue=()))

    def check_all(self, entries: Sequence[Entry], deadline: float) -> list[bool]:
        """Which of them still stand: in one transaction, and one for each where somebody's is gone."""
        asked = [entry.path for entry in entries if entry.session_id == self._session.id]
        standing = set(asked)
        if asked and any(answer is not True for answer in self._session.write(check(asked), deadline)):
            answers = self._session.ask_all([check([path]) for path in asked], deadline)
            standing = {path for path, answer in zip(asked, answers, strict=True) if answer == [True]}
        return [entry.path in standing and entry.session_id == self._session.id for entry in entries]

    def is_taken(self, claim: Claim, owner: str, deadline: float) -> bool:
        """Whether somebody would be in the way of a claim made now."""
        queue = self.read(claim.name, deadline)
        return not find_place(queue, find_newcomer(claim, owner, queue)).is_granted

    def remove(self, path: str, deadline: float) -> bool:
        """Whether it was there."""
        try:
            self._session.write(delete(path), deadline)
        except NoNodeError:
            return False
        return True

    def remove_owner(self, name: str, owner: str, deadline: float) -> None:
        for node in self.read(name, deadline):
            if node.owner == owner:
                self.remove(f"{self._space.parent(name)}/{node.name}", deadline)

    def remove_nodes(self, name: str, nodes: Sequence[Node], deadline: float) -> int:
        """How many of them were there."""
        return sum([self.remove(f"{self._space.parent(name)}/{node.name}", deadline) for node in nodes])

    def read(self, name: str, deadline: float) -> list[Node]:
        try:
            return self._list(self._space.parent(name), deadline)
        except NoNodeError:
            return []

    def _create(self, parent: str, claim: Claim, owner: str, deadline: float) -> Entry:
        """The node and the queue in one message: ZooKeeper answers a client's requests in their order."""
        requests = [create(f"{parent}/{build_prefix(claim, owner)}"), list_children(parent)]
        made, children = self._session.write_all(requests, deadline)
        if isinstance(made, NoNodeError):
            self._opening.make_parent(parent, deadline)
            made, children = self._session.write_all(requests, deadline)
        for answer in (made, children):
            if isinstance(answer, Exception):
                raise answer
        path, stat = made
        return _build_entry(parent, path, stat, read_queue(children))

    def _find_own(self, parent: str, owner: str, deadline: float) -> Entry | None:
        for node in [node for node in self._list(parent, deadline) if node.owner == owner]:
            stat = self._session.ask(look(f"{parent}/{node.name}"), deadline)
            if stat is not None and stat.ephemeralOwner == self._session.id:
                return _build_entry(parent, f"{parent}/{node.name}", stat, self._list(parent, deadline))
        return None

    def _sleep(self, entry: Entry, wait: Callable[[float], bool], deadline: float) -> None:
        """Now and then the servers are asked whether the session lives, so that a lease has long to go when it begins."""
        while (left := deadline - time.monotonic()) > 0:
            if wait(min(left, self.confirm_seconds)):
                return
            if time.monotonic() - self._session.confirmed_at(entry.session_id) >= self.confirm_seconds:
                self._confirm(entry, _soon(self._session))

    def _look_again(self, entry: Entry) -> Place:
        queue = self._list(entry.parent, _soon(self._session))
        if entry.node not in queue:
            raise Removed
        return find_place(queue, entry.node)

    def _confirm(self, entry: Entry, deadline: float) -> None:
        if self._session.write(check([entry.path]), deadline) != [True]:
            raise Removed

    def _list(self, parent: str, deadline: float) -> list[Node]:
        return read_queue(self._session.ask(list_children(parent), deadline))


def _build_entry(parent: str, path: str, stat: ZnodeStat, queue: Sequence[Node]) -> Entry:
    own = next((node for node in queue if path == f"{parent}/{node.name}"), None)
    if own is None:
        raise Interrupted("the node has gone again")
    return Entry(path, parent, own, stat.czxid, stat.ephemeralOwner, tuple(queue))


def _soon(session: Session) -> float:
    return time.monotonic() + session.silence_seconds
