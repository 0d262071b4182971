"""Which namespaces and kinds the leader looks after: one that is gone must not keep it from the others."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from caisson_operator import served
from caisson_operator.effects.kube import Forbidden, KubeError
from caisson_operator.kind import Kind
from caisson_operator.sharded_database.kind import SHARDED_DATABASE

GONE = Forbidden(403, "shardeddatabases.caisson.dev is forbidden")
NO_KIND = KubeError(404, "the server could not find the requested resource")


class FakeKube:
    """Answers each look at a namespace with the next of its answers, the last one again and again.

    Those for one kind alone are called KIND_NAMESPACE.
    """

    def __init__(self, **answers: list[KubeError | None]) -> None:
        self.answers = answers

    async def list(self, api_version: str, kind: str, namespace: str | None) -> list[dict[str, Any]]:
        place = namespace or "everywhere"
        left = self.answers.get(f"{kind}_{place}") or self.answers[place]
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is not None:
            raise answer
        return []


OTHER: Kind[Any] = replace(SHARDED_DATABASE, name="Other")
BOTH = (SHARDED_DATABASE, OTHER)


def look(kube: FakeKube, kinds: tuple[Kind[Any], ...], *namespaces: str | None) -> served.Served:
    async def find() -> served.Served | None:
        return await asyncio.wait_for(served.find_served(kube, kinds, namespaces, asyncio.Event()), 5)  # type: ignore[arg-type]

    found = asyncio.run(find())
    assert found is not None
    return found


def find(kube: FakeKube, *namespaces: str | None) -> tuple[str | None, ...]:
    return look(kube, (SHARDED_DATABASE,), *namespaces).namespaces


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "LOOK_AGAIN_SECONDS", 0.001)


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


def test_serves_the_kinds_that_are_there_when_another_does_not_come() -> None:
    found = look(FakeKube(a=[None], Other_a=[NO_KIND]), BOTH, "a")
    assert found.kinds == (SHARDED_DATABASE,)
    assert ("Other", "a") not in found.listed


def test_gives_a_kind_a_while_to_come() -> None:
    assert look(FakeKube(a=[None], Other_a=[NO_KIND, NO_KIND, None]), BOTH, "a").kinds == BOTH


def test_a_namespace_that_is_gone_takes_no_kind_with_it() -> None:
    found = look(FakeKube(a=[GONE], b=[None]), BOTH, "a", "b")
    assert (found.kinds, found.namespaces) == (BOTH, ("b",))


def test_does_not_watch_a_kind_that_one_namespace_refuses_but_remembers_where_it_was_listed() -> None:
    """A watch that is refused ends all; what was listed before is no reason to begin anew at the next look."""
    found = look(FakeKube(a=[None], b=[None], Other_b=[GONE]), BOTH, "a", "b")
    assert (found.kinds, found.namespaces) == ((SHARDED_DATABASE,), ("a", "b"))
    assert ("Other", "a") in found.listed


def test_gives_up_when_it_is_told_to_stop() -> None:
    async def find() -> served.Served | None:
        stop = asyncio.Event()
        stop.set()
        return await served.find_served(FakeKube(a=[GONE]), (SHARDED_DATABASE,), ("a",), stop)  # type: ignore[arg-type]

    assert asyncio.run(find()) is None
