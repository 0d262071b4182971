"""Where a shard's primary is looked for: at its host, and where that did not lead to it a moment ago, at its members too."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from caisson import endpoints
from caisson.binding import Binding
from caisson.connecting import Members
from caisson.endpoints import MEMBER_SECONDS, Endpoints
from caisson.shard_map import Address

ADDRESS = Address("flights-s0", 5432, None, "flights-s0-pods")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each connection asks the members at once. A member wins the first, the host those after it."""
    asked: list[bool] = []

    def open_connection(conninfo: str, deadline: float, is_given_up: Any, passed_over: Any, members: Members) -> Any:
        asked.append(members.are_asked_at_once())
        return SimpleNamespace(info=SimpleNamespace(host=ADDRESS.members_host if len(asked) == 1 else ADDRESS.host))

    monkeypatch.setattr(endpoints, "open_connection", open_connection)
    monkeypatch.setattr(Endpoints, "_identify", lambda self, connection: None)
    return asked


def test_who_was_reached_as_a_member_is_looked_for_there_for_a_while(
    asked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    servers = Endpoints(lambda: Binding({}, (), {}), 1)
    for _ in range(2):
        servers.open_primary(ADDRESS, now + 10)
    now += MEMBER_SECONDS
    servers.open_primary(ADDRESS, now + 10)
    assert asked == [False, True, False]
