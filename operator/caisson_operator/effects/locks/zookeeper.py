"""Lock spaces in the nodes of a ZooKeeper ensemble."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import CREATOR_ALL_ACL

from caisson_operator.core.lock_space import Holder, Lock, SpaceView, StoreUnreachable, StoreUnusable, join_token
from caisson_operator.effects.zookeeper_tls import TlsHandler

SECONDS = 5.0
BATCH = 200
_MODES = {"x": "exclusive", "s": "shared", "p": "permit"}


@dataclass(frozen=True, slots=True)
class Claim:
    """One node of a queue, by its name."""

    node: str
    mode: str
    permits: int
    owner: str
    sequence: int


async def read_space(entries: Mapping[str, str], space: str) -> SpaceView:
    return await asyncio.to_thread(_read_space, entries, _root(space))


async def open_space(entries: Mapping[str, str], space: str, base: int) -> None:
    await asyncio.to_thread(_open_space, entries, _root(space), base)


async def release(entries: Mapping[str, str], space: str, lock: str, highest_token: int) -> int:
    return await asyncio.to_thread(_release, entries, _root(space), lock, highest_token)


def _read_space(entries: Mapping[str, str], root: str) -> SpaceView:
    with connected(entries) as client:
        try:
            base = int(client.get(root)[0] or b"0")
            clock, waited = client.set(f"{root}/clock", b""), client.exists(f"{root}/waited")
            names = client.get_children(f"{root}/names")
        except NoNodeError:
            return SpaceView(is_open=False)
        asked = [
            lambda name=name: client.get_children_async(f"{root}/names/{name}", include_data=True) for name in names
        ]
        queues = {name: answer for name, answer in zip(names, _ask(asked), strict=True) if answer is not None}
        granted = sum((stat.cversion + stat.numChildren) // 2 for _, stat in queues.values())
        locks = [
            _read_lock(client, f"{root}/names/{name}", unquote(name), _read_queue(children), base, clock.mtime)
            for name, (children, _) in queues.items()
            if children
        ]
    return SpaceView(True, base + (clock.mzxid >> 32), base, granted, waited.version if waited else 0, tuple(locks))


def _open_space(entries: Mapping[str, str], root: str, base: int) -> None:
    """The root and what is in it are made together, or the number that the root has is raised."""
    with connected(entries) as client:
        client.ensure_path(root.rpartition("/")[0])
        transaction = client.transaction()
        transaction.create(root, str(base).encode())
        for part in ("names", "clock", "waited"):
            transaction.create(f"{root}/{part}")
        results = transaction.commit()
        if isinstance(results[0], NodeExistsError):
            data, stat = client.get(root)
            if int(data or b"0") < base:
                client.set(root, str(base).encode(), version=stat.version)
        elif isinstance(results[0], KazooException):
            raise results[0]


def _release(entries: Mapping[str, str], root: str, lock: str, highest_token: int) -> int:
    parent, released = f"{root}/names/{_quote(lock)}", 0
    with connected(entries) as client:
        try:
            base, queue = int(client.get(root)[0] or b"0"), _read_queue(client.get_children(parent))
        except NoNodeError:
            return 0
        for holder in _find_holders(queue):
            stat = client.exists(f"{parent}/{holder.node}")
            if stat is not None and _token(base, stat.czxid) <= highest_token:
                released += _delete(client, f"{parent}/{holder.node}")
    return released


def _delete(client: Any, path: str) -> bool:
    try:
        client.delete(path)
    except NoNodeError:
        return False
    return True


@contextmanager
def connected(entries: Mapping[str, str]) -> Iterator[Any]:
    user = entries.get("username")
    sasl = {"mechanism": "DIGEST-MD5", "username": user, "password": entries.get("password", "")} if user else None
    authority = entries.get("ca.crt")
    client = KazooClient(
        hosts=entries["hosts"],
        timeout=10.0,
        handler=TlsHandler(authority) if authority else None,
        sasl_options=sasl,
        default_acl=CREATOR_ALL_ACL if sasl else None,
    )
    try:
        client.start(timeout=SECONDS)
        yield client
    except AuthFailedError as error:
        raise StoreUnusable("the ensemble does not accept the username and password") from error
    except (KazooException, KazooTimeoutError) as error:
        raise StoreUnreachable(f"{type(error).__name__} {error}".strip()[:300]) from error
    finally:
        client.stop()
        client.close()


def _read_lock(client: Any, parent: str, name: str, queue: list[Claim], base: int, now_milliseconds: int) -> Lock:
    holding = _find_holders(queue)
    stats = _ask([lambda claim=claim: client.exists_async(f"{parent}/{claim.node}") for claim in holding])
    holders = tuple(
        Holder(claim.owner, claim.mode, _token(base, stat.czxid), max(0, now_milliseconds - stat.mtime) / 1000)
        for claim, stat in zip(holding, stats, strict=True)
        if stat is not None
    )
    return Lock(name, holders, tuple(claim.owner for claim in queue if claim not in holding))


def _ask(requests: list[Any]) -> list[Any]:
    """Answers in order; None for a node that has gone meanwhile."""
    answers = []
    for begin in range(0, len(requests), BATCH):
        under_way = [request() for request in requests[begin : begin + BATCH]]
        answers += [_get_or_none(each) for each in under_way]
    return answers


def _get_or_none(under_way: Any) -> Any:
    try:
        return under_way.get(timeout=SECONDS)
    except NoNodeError:
        return None


def _read_queue(children: list[str]) -> list[Claim]:
    found = []
    for child in children:
        kind, _, rest = child.partition(".")
        owner, _, sequence = rest.rpartition(".")
        if kind[:1] in _MODES and owner and sequence.removeprefix("-").isdecimal():
            found.append(Claim(child, _MODES[kind[:1]], int(kind[1:] or 1), unquote(owner), int(sequence)))
    return sorted(found, key=lambda claim: claim.sequence)


def _find_holders(queue: list[Claim]) -> list[Claim]:
    """Those in front of whom too few stand to keep them out."""
    return [
        claim
        for place, claim in enumerate(queue)
        if sum(_excludes(other, claim) for other in queue[:place]) < claim.permits
    ]


def _excludes(other: Claim, claim: Claim) -> bool:
    if "permit" in (other.mode, claim.mode):
        return other.mode == claim.mode
    return "exclusive" in (other.mode, claim.mode)


def _token(base: int, czxid: int) -> int:
    return join_token(base + (czxid >> 32), czxid & 0xFFFFFFFF)


def _root(space: str) -> str:
    return "/".join(["/caisson/locks", *(_quote(part) for part in space.split("/"))])


def _quote(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E")
