"""Ids over HTTP, asked as programs in other languages would ask."""

import http.client
import json
import threading
from collections.abc import Iterator
from uuid import UUID

import pytest

import caisson
from caisson.errors import IdsExhausted, NoIds
from caisson.ids.allocator import IdAllocator
from caisson.ids.options import Options
from caisson.ids.server.access import Access
from caisson.ids.server.answers import Answer
from caisson.ids.server.answers import answer as answer_request
from caisson.ids.server.http import IdServer

TOKEN = {"Authorization": "Bearer sesame"}


def answer(target: str, ids: IdAllocator) -> Answer:
    return answer_request(target, None, ids, None)


class Counting:
    """A source that counts, until it is told to refuse."""

    def __init__(self) -> None:
        self.allocated, self.rollbacks = 0, 2
        self.worker_ids: tuple[int, int] | None = None
        self.refusal: Exception | None = None

    def next(self) -> int:
        return self.take(1)[0]

    def take(self, count: int) -> list[int]:
        if self.refusal:
            raise self.refusal
        self.allocated += count
        return list(range(self.allocated - count + 1, self.allocated + 1))

    def abandon(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def source() -> Counting:
    return Counting()


@pytest.fixture
def ids(source: Counting) -> IdAllocator:
    return IdAllocator(source, Options(mode="segment"))


@pytest.fixture
def connection(ids: IdAllocator) -> Iterator[http.client.HTTPConnection]:
    with IdServer(("127.0.0.1", 0), ids, Access(lambda: "sesame")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield http.client.HTTPConnection("127.0.0.1", server.server_port)
        server.shutdown()
        thread.join()


def test_answers_ids_on_one_connection(connection: http.client.HTTPConnection) -> None:
    for expected in ([1, 2, 3], [4, 5, 6]):
        connection.request("GET", "/next?count=3", headers=TOKEN)
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("Cache-Control") == "no-store"
        assert json.loads(response.read()) == {"ids": expected}


def test_says_when_to_come_again(connection: http.client.HTTPConnection, source: Counting) -> None:
    source.refusal = NoIds("the store is away")
    connection.request("GET", "/next", headers=TOKEN)
    response = connection.getresponse()
    assert (response.status, response.getheader("Retry-After")) == (503, "1")
    assert json.loads(response.read()) == {"error": "the store is away", "is_safe_to_retry": True}


def test_gives_strings_to_languages_whose_numbers_are_too_small(ids: IdAllocator) -> None:
    assert json.loads(answer("/next?count=2&as=text", ids).body) == {"ids": ["1", "2"]}


@pytest.mark.parametrize(
    "query", ["count=0", "count=-1", "count=10001", "count=x", "count=1e3", "count=%C2%B2", "as=hex"]
)
def test_refuses_what_it_cannot_give(ids: IdAllocator, query: str) -> None:
    refused = answer(f"/next?{query}", ids)
    assert refused.status == 400
    assert "error" in json.loads(refused.body)


def test_tells_of_itself(ids: IdAllocator, source: Counting) -> None:
    ids.take(41)
    assert answer("/healthz", ids).status == 200
    assert answer("/readyz", ids).status == 200
    assert b"caisson_id_allocated_total 42\n" in answer("/metrics", ids).body
    assert b"caisson_id_clock_rollback_total 2\n" in answer("/metrics", ids).body
    assert b"worker_ids" not in answer("/metrics", ids).body
    source.worker_ids = (7, 1024)
    assert b"caisson_id_worker_ids_leased 7\n" in answer("/metrics", ids).body
    assert b"caisson_id_worker_ids 1024\n" in answer("/metrics", ids).body
    assert answer("/", ids).status == 404
    source.refusal = IdsExhausted("used up")
    assert answer("/readyz", ids).status == 503
    assert answer("/healthz", ids).status == 200


def test_gives_uuids_as_text() -> None:
    with caisson.IdAllocator.connect(mode="uuid7") as ids:
        (text,) = json.loads(answer("/next", ids).body)["ids"]
    assert UUID(text).version == 7
