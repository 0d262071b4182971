"""A space's own nodes: whether it is open, and the number that is added to the ensemble's epochs.

An ensemble that has lost its data counts from its first epoch again, so that its tokens would go back. It has lost the
spaces too, and a space that the operator made is not made by a client: it stays shut until the operator, who keeps
the highest epoch in a Kubernetes object, has made it anew with a number that lifts all new tokens above the old ones.
"""

from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError

from caisson.errors import EpochNotRaised

from .layout import Space
from .requests import make, make_all
from .session import Session


class Opening:
    """Reads the number once a connection, and again whenever it changes."""

    def __init__(self, session: Session, space: Space, makes_space: bool) -> None:
        self._session, self._space, self._makes_space = session, space, makes_space
        self._known: int | None = None
        self._changes = 0

    def read_base(self, deadline: float) -> int:
        """The number that is added to epochs. Raises EpochNotRaised where the space is shut, Interrupted."""
        known = self._known
        if known is None:
            try:
                known = self._read(deadline)
            except NoNodeError:
                known = self._make(deadline)
        return known

    def make_parent(self, parent: str, deadline: float) -> None:
        """The lasting node of a lock's name; somebody else may have made it just now."""
        try:
            self._session.write(make(parent), deadline)
        except NodeExistsError:
            return
        except NoNodeError:
            self._known = None
            raise EpochNotRaised(self._explain()) from None

    def _read(self, deadline: float) -> int:
        """Known until the node or the connection changes, be it while the answer was on its way."""
        changes = self._changes
        data, _ = self._session.ask(self._session.read_watched(self._space.root, self._forget), deadline)
        base = int(data or b"0")
        self._known = base if self._changes == changes else None
        return base

    def _forget(self) -> None:
        self._changes += 1
        self._known = None

    def _make(self, deadline: float) -> int:
        if not self._makes_space:
            raise EpochNotRaised(self._explain())
        for path in self._space.ancestors:
            self._try(path, deadline)
        nodes = [(self._space.root, b"0"), *((path, b"") for path in self._space.inner)]
        answers = self._session.write(make_all(nodes), deadline)
        if any(
            isinstance(answer, KazooException) and not isinstance(answer, NodeExistsError) for answer in answers[:1]
        ):
            raise answers[0]
        return self._read(deadline)

    def _try(self, path: str, deadline: float) -> None:
        try:
            self._session.write(make(path), deadline)
        except NodeExistsError:
            return

    def _explain(self) -> str:
        return (
            f"the ensemble knows no lock space {self._space.name}: it is new, or has lost its data; "
            "the operator opens it once it has raised the epoch"
        )
