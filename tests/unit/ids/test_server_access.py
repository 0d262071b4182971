"""Ids are given to who shows the binding's token, and to nobody else."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import caisson
from caisson.ids.server.access import NEEDED, REREAD_SECONDS, WRONG, Access, open_access
from caisson.ids.server.http import IdServer


@pytest.fixture
def connection() -> Iterator[http.client.HTTPConnection]:
    access = Access(lambda: "sesame")
    with (
        caisson.IdAllocator.connect(mode="uuid7") as ids,
        IdServer(("127.0.0.1", 0), ids, access) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield http.client.HTTPConnection("127.0.0.1", server.server_port)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({}, NEEDED),
        ({"Authorization": "Bearer"}, NEEDED),
        ({"Authorization": "Basic c2VzYW1l"}, NEEDED),
        ({"Authorization": "Bearer sesam"}, WRONG),
        ({"Authorization": "Bearer sesame2"}, WRONG),
        ({"Authorization": "Bearer s\xe9same"}, WRONG),
    ],
)
def test_refuses_who_does_not_show_the_token(
    connection: http.client.HTTPConnection, headers: dict[str, str], fault: str
) -> None:
    connection.request("GET", "/next", headers=headers)
    response = connection.getresponse()
    assert (response.status, response.getheader("WWW-Authenticate")) == (401, 'Bearer realm="caisson-ids"')
    assert json.loads(response.read()) == {"error": fault, "is_safe_to_retry": False}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_lets_in_who_shows_it(connection: http.client.HTTPConnection, scheme: str) -> None:
    connection.request("GET", "/next?count=3", headers={"Authorization": f"{scheme} sesame"})
    assert len(json.loads(connection.getresponse().read())["ids"]) == 3


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_tells_of_itself_without(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    assert connection.getresponse().status == 200


def test_a_changed_token_counts_soon_and_a_missing_one_changes_nothing(tmp_path: Path) -> None:
    token, now = tmp_path / "server_token", 0.0
    token.write_text("old\n")
    access = Access(lambda: token.read_text().strip(), lambda: now)
    token.write_text("new")
    assert access.find_fault("Bearer old") is None
    now += REREAD_SECONDS
    assert access.find_fault("Bearer old") == WRONG
    assert access.find_fault("Bearer new") is None
    token.unlink()
    now += REREAD_SECONDS
    assert access.find_fault("Bearer new") is None


@pytest.mark.parametrize("text", [None, ""])
def test_is_not_opened_without_a_token(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "server_token").write_text(text)
    with pytest.raises(caisson.ConfigurationError, match=r"server_token|empty"):
        open_access(tmp_path)
