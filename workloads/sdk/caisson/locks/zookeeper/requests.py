"""The requests that a lock is made of, each as kazoo sends it without waiting for the answer."""

from collections.abc import Iterable

from .client import Sender


def create(prefix: str) -> Sender:
    """A claim's node: answered with its path and state."""
    return lambda client: client.create_async(prefix, ephemeral=True, sequence=True, include_data=True)


def make(path: str, data: bytes = b"") -> Sender:
    """A node that stays."""
    return lambda client: client.create_async(path, data)


def make_all(nodes: Iterable[tuple[str, bytes]]) -> Sender:
    """Several nodes that stay, all or none."""

    def send(client: object) -> object:
        transaction = client.transaction()  # type: ignore[attr-defined]
        for path, data in nodes:
            transaction.create(path, data)
        return transaction.commit_async()

    return send


def check(paths: Iterable[str]) -> Sender:
    """A transaction that changes nothing, wakes nobody, and is committed only while all the nodes are there."""

    def send(client: object) -> object:
        transaction = client.transaction()  # type: ignore[attr-defined]
        for path in paths:
            transaction.check(path, -1)
        return transaction.commit_async()

    return send


def delete(path: str) -> Sender:
    return lambda client: client.delete_async(path)


def look(path: str) -> Sender:
    """A node's state, or None."""
    return lambda client: client.exists_async(path)


def list_children(path: str) -> Sender:
    return lambda client: client.get_children_async(path)


def list_with_state(path: str) -> Sender:
    return lambda client: client.get_children_async(path, include_data=True)


def write(path: str, data: bytes = b"") -> Sender:
    return lambda client: client.set_async(path, data)


def mark_grant(counter: str, path: str) -> Sender:
    """Count a grant that had to wait, and set the time at which its node was last written, from which it is held."""

    def send(client: object) -> object:
        transaction = client.transaction()  # type: ignore[attr-defined]
        transaction.set_data(counter, b"")
        transaction.set_data(path, b"")
        return transaction.commit_async()

    return send
