"""Which namespaces the leader looks after: one that is gone must not keep it from the others."""

import asyncio
from typing import Any

import pytest

from caisson_operator import leader
from caisson_operator.effects.kube import Forbidden, KubeError

GONE = Forbidden(403, "shardeddatabases.caisson.dev is forbidden")
NO_KIND = KubeError(404, "the server could not find the requested resource")


class FakeKube:
    """Answers each look at a namespace with the next of its answers, the last one again and again."""

    def __init__(self, **answers: list[KubeError | None]) -> None:
        self.answers = answers

    async def list(self, api_version: str, kind: str, namespace: str | None) -> list[dict[str, Any]]:
        left = self.answers[namespace or "everywhere"]
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is not None:
            raise answer
        return []


def find(kube: FakeKube, *namespaces: str | None) -> tuple[str | None, ...]:
    async def look() -> tuple[str | None, ...]:
        return await asyncio.wait_for(leader.find_served(kube, namespaces, asyncio.Event()), 5)  # type: ignore[arg-type]

    return asyncio.run(look())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader, "LOOK_AGAIN_SECONDS", 0.001)


def test_serves_every_namespace_that_it_may_list() -> None:
    assert find(FakeKube(a=[None], b=[None]), "a", "b") == ("a", "b")


def test_leaves_out_a_namespace_that_is_gone() -> None:
    assert find(FakeKube(a=[GONE], b=[None]), "a", "b") == ("b",)


def test_waits_while_the_kind_is_not_there_yet() -> None:
    assert find(FakeKube(everywhere=[NO_KIND, NO_KIND, None]), None) == (None,)


def test_waits_while_no_namespace_is_left_to_serve() -> None:
    assert find(FakeKube(a=[GONE, GONE, None]), "a") == ("a",)


def test_does_not_take_a_server_that_is_away_for_a_namespace_that_is_gone() -> None:
    assert find(FakeKube(a=[KubeError(0, "timeout"), None], b=[None]), "a", "b") == ("a", "b")


def test_gives_up_when_it_is_told_to_stop() -> None:
    async def look() -> tuple[str | None, ...]:
        stop = asyncio.Event()
        stop.set()
        return await leader.find_served(FakeKube(a=[GONE]), ("a",), stop)  # type: ignore[arg-type]

    assert asyncio.run(look()) == ()
