"""Names and order of the nodes: who stands where in a queue, whom it waits for, and what its token is. Pure.

    /caisson/locks/NAMESPACE/NAME           the space; its data is the number that is added to the ensemble's epochs
        /waited                             its version counts the grants that had to wait
        /clock                              written to be told the servers' time
        /names/LOCK                         one for each lock name, never removed
            /x.OWNER.0000000012             ephemeral: x exclusive, s shared, p3 one of three permits

Whoever holds is in the queue like those who wait: it is only that nobody in front of it is in its way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from caisson.locks.store import Claim, Mode, join_token

ROOT = "/caisson/locks"
_LETTERS = {Mode.EXCLUSIVE: "x", Mode.SHARED: "s", Mode.PERMIT: "p"}
_MODES = {letter: mode for mode, letter in _LETTERS.items()}
_COUNTER_BITS = 32


@dataclass(frozen=True, slots=True)
class Space:
    """Paths of one lock space; `name` is `NAMESPACE/NAME`."""

    name: str

    @property
    def root(self) -> str:
        return "/".join([ROOT, *(quote_part(part) for part in self.name.split("/"))])

    @property
    def names(self) -> str:
        return f"{self.root}/names"

    @property
    def clock(self) -> str:
        return f"{self.root}/clock"

    @property
    def waited(self) -> str:
        return f"{self.root}/waited"

    @property
    def inner(self) -> tuple[str, ...]:
        """The space's own nodes under its root."""
        return self.names, self.clock, self.waited

    @property
    def ancestors(self) -> list[str]:
        """From the top down, without the root."""
        parts = self.root.split("/")
        return ["/".join(parts[:end]) for end in range(2, len(parts))]

    def parent(self, lock: str) -> str:
        return f"{self.names}/{quote_part(lock)}"


@dataclass(frozen=True, slots=True)
class Node:
    """One claim in a queue. `sequence` is the parent's own count of the nodes that were ever made under it."""

    name: str
    mode: Mode
    permits: int
    owner: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a claim stands: how many are in its way, and those of them whose end may let it in."""

    ahead: int
    watched: tuple[Node, ...]

    @property
    def is_granted(self) -> bool:
        return not self.watched


def quote_part(text: str) -> str:
    """As the name of a node, which may neither be `.` nor hold a slash or a control character."""
    return quote(text, safe="").replace(".", "%2E")


def unquote_part(name: str) -> str:
    return unquote(name)


def build_prefix(claim: Claim, owner: str) -> str:
    """What a claim's node is called, before ZooKeeper adds the sequence."""
    permits = str(claim.permits) if claim.mode is Mode.PERMIT else ""
    return f"{_LETTERS[claim.mode]}{permits}.{quote_part(owner)}."


def read_node(name: str) -> Node | None:
    """None for what is not of ours."""
    kind, _, rest = name.partition(".")
    owner, _, sequence = rest.rpartition(".")
    mode, permits = _MODES.get(kind[:1]), kind[1:] or "1"
    if mode is None or not (owner and permits.isdecimal() and sequence.removeprefix("-").isdecimal()):
        return None
    return Node(name, mode, int(permits), unquote(owner), int(sequence))


def read_queue(children: Iterable[str]) -> list[Node]:
    """In the order of their coming."""
    return sorted(filter(None, map(read_node, children)), key=lambda node: node.sequence)


def find_place(queue: Sequence[Node], claim: Node) -> Place:
    """Among the nodes that were made before it.

    A claim watches as few as can let it in: an exclusive one the last that excludes it, a permit as many in front of it
    as there are permits (while all of those are there, so many hold or wait before it).
    """
    ahead = [node for node in queue if node.sequence < claim.sequence and _is_in_the_way(node, claim)]
    if claim.mode is Mode.PERMIT and len(ahead) < claim.permits:
        return Place(len(ahead), ())
    return Place(len(ahead), tuple(ahead[-claim.permits :]))


def find_newcomer(claim: Claim, owner: str, queue: Sequence[Node]) -> Node:
    """The node that a claim would have if it joined the queue now."""
    last = queue[-1].sequence if queue else 0
    return Node("", claim.mode, claim.permits if claim.mode is Mode.PERMIT else 1, owner, last + 1)


def find_holders(queue: Sequence[Node]) -> list[Node]:
    return [node for node in queue if find_place(queue, node).is_granted]


def build_token(base: int, czxid: int) -> int:
    """From the transaction that made the claim's node. The ensemble orders all transactions: a later grant's node was made
    later, since holders leave their queue in the order of their coming, so its token is greater.

    `base` is added to the ensemble's epoch: an ensemble that was wiped begins again with its first one.
    """
    return join_token(base + read_epoch(czxid), czxid & (1 << _COUNTER_BITS) - 1)


def read_epoch(zxid: int) -> int:
    """How often the ensemble has elected a leader before this transaction."""
    return zxid >> _COUNTER_BITS


def _is_in_the_way(node: Node, claim: Node) -> bool:
    if Mode.PERMIT in (node.mode, claim.mode):
        return node.mode is claim.mode
    return Mode.EXCLUSIVE in (node.mode, claim.mode)
