"""The operator believes a server only where it shows a certificate of the allocator's authority, for the Service's name."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import caisson
from caisson.ids.server.certificate import Certificate
from caisson.ids.server.http import IdServer
from caisson_operator.effects.id_server import read_counts
from fakes.certificates import new_authority, write_certificate

NAME = "orders-id-server.demo.svc"
AUTHORITY, ANOTHER = new_authority(), new_authority()


@pytest.fixture(params=[True, False], ids=["tls", "plain"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, bool]]:
    write_certificate(tmp_path, [NAME], AUTHORITY)
    certificate = Certificate(tmp_path) if request.param else None
    with (
        caisson.IdAllocator.connect(mode="uuid7") as ids,
        IdServer(("127.0.0.1", 0), ids, None, certificate) as server,
    ):
        ids.take(41)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1], request.param
        server.shutdown()
        thread.join()


def test_believes_its_own_servers_alone(served: tuple[int, bool]) -> None:
    port, is_tls = served
    asked = [(NAME, AUTHORITY), ("another.demo.svc", AUTHORITY), (NAME, ANOTHER)]
    told = [asyncio.run(read_counts("127.0.0.1", port, name, by.certificate)) for name, by in asked]
    own = {"allocated_total": 41, "clock_rollback_total": 0}
    assert told == [own if is_tls else None, None, None]


def test_who_does_not_answer_tells_nothing() -> None:
    assert asyncio.run(read_counts("127.0.0.1", 1, NAME, AUTHORITY.certificate)) is None
