"""What the server answers: a status, a type and a body, from a request's path, its credentials and an allocator. No sockets."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from caisson.errors import Error
from caisson.ids.allocator import IdAllocator
from caisson.ids.server.access import Access

MOST = 10_000
JSON = "application/json"
TEXT = "text/plain; version=0.0.4"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    kind: str
    body: bytes


def answer(target: str, authorization: str | None, ids: IdAllocator, access: Access | None) -> Answer:
    """Of a GET request. Without an `access` everybody is given ids."""
    parts = urlsplit(target)
    match parts.path:
        case "/next":
            fault = access.find_fault(authorization) if access else None
            return _refuse(401, fault) if fault else _next(dict(parse_qsl(parts.query)), ids)
        case "/healthz":
            return Answer(200, TEXT, b"ok\n")
        case "/readyz":
            return _ready(ids)
        case "/metrics":
            return Answer(200, TEXT, _metrics(ids).encode())
    return _refuse(404, f"there is no {parts.path}; ask /next?count=N")


def _next(query: dict[str, str], ids: IdAllocator) -> Answer:
    """`count` ids (1 without it). `as=text`: as strings, for languages whose numbers end at 2^53."""
    count, form = query.get("count", "1"), query.get("as", "number")
    if not (count.isascii() and count.isdecimal() and len(count) <= 5 and 1 <= int(count) <= MOST):
        return _refuse(400, f"count={count[:20]} is not a number from 1 to {MOST}")
    if form not in ("number", "text"):
        return _refuse(400, f"as={form[:20]} is neither number nor text")
    try:
        taken: list[Any] = ids.take(int(count))
    except Error as error:
        return _refuse(503, str(error), is_safe_to_retry=error.is_safe_to_retry)
    if form == "text" or ids.options.mode == "uuid7":
        taken = [str(id) for id in taken]
    return Answer(200, JSON, json.dumps({"ids": taken}, separators=(",", ":")).encode())


def _ready(ids: IdAllocator) -> Answer:
    """Whether an id can be had; the one that shows it is left out."""
    try:
        ids.next()
    except Error as error:
        return _refuse(503, str(error), is_safe_to_retry=error.is_safe_to_retry)
    return Answer(200, TEXT, b"ok\n")


def _metrics(ids: IdAllocator) -> str:
    return _worker_ids(ids) + (
        "# HELP caisson_id_allocated_total Ids handed out by this server.\n"
        "# TYPE caisson_id_allocated_total counter\n"
        f"caisson_id_allocated_total {ids.allocated}\n"
        "# HELP caisson_id_clock_rollback_total How often the wall clock of this server was seen to go back.\n"
        "# TYPE caisson_id_clock_rollback_total counter\n"
        f"caisson_id_clock_rollback_total {ids.rollbacks}\n"
    )


def _worker_ids(ids: IdAllocator) -> str:
    if ids.worker_ids is None:
        return ""
    leased, all_of_them = ids.worker_ids
    return (
        "# HELP caisson_id_worker_ids_leased Worker ids of the space that have an owner.\n"
        "# TYPE caisson_id_worker_ids_leased gauge\n"
        f"caisson_id_worker_ids_leased {leased}\n"
        "# HELP caisson_id_worker_ids Worker ids that the layout has.\n"
        "# TYPE caisson_id_worker_ids gauge\n"
        f"caisson_id_worker_ids {all_of_them}\n"
    )


def _refuse(status: int, reason: str, *, is_safe_to_retry: bool = False) -> Answer:
    return Answer(status, JSON, json.dumps({"error": reason, "is_safe_to_retry": is_safe_to_retry}).encode())
