"""What to do next about the epoch of one server, from what it and the ConfigMap say. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """This pod's Redis at one moment. `key_epoch` and `key_replid` are those of the key caisson:epoch; 0 and "" without it."""

    is_primary: bool
    replid: str
    key_epoch: int = 0
    key_replid: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The ConfigMap: the highest number that was ever given, to whom, and the version that a change is compared with."""

    epoch: int
    replid: str
    member: str
    version: str


@dataclass(frozen=True, slots=True)
class Raise:
    """Set the ConfigMap to this number if it still has this version; only then write the number into the key."""

    epoch: int
    replid: str
    version: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write the number that was raised for this server into the key: the server refused it before, for want of replicas."""

    epoch: int
    replid: str


@dataclass(frozen=True, slots=True)
class Serve:
    """The server serves under its own number, and nobody has been given a higher one: lead clients to it."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do: a replica, or a primary whose successor has been given a number already."""


Action = Raise | Write | Serve | Rest


def must_raise(server: Server) -> bool:
    return server.is_primary and server.key_replid != server.replid


def decide(server: Server, record: Record, unwritten: Raise | None = None) -> Action:
    """A number is written once only, and never after a higher one was given: a key that is gone has taken its counters along.

    `unwritten` is what this agent has raised and knows that the server has refused. After a crash nobody knows that, and the
    next number is taken. An old primary that goes on, cut off or stopped for a while, still has the id in its key, and raises nothing.
    """
    if must_raise(server):
        if unwritten and (unwritten.epoch, unwritten.replid) == (record.epoch, server.replid):
            return Write(unwritten.epoch, server.replid)
        return Raise(max(record.epoch, server.key_epoch) + 1, server.replid, record.version)
    if server.is_primary and server.key_epoch >= record.epoch:
        return Serve(server.key_epoch)
    return Rest()
