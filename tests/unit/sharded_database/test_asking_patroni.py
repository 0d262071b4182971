"""The room asks a leader to hand over: what Patroni answers is a finding about the request, never a failed reconcile."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from caisson_operator.api.resource import ShardedDatabase, load_sharded_database
from caisson_operator.core.decisions import HeldUp
from caisson_operator.effects.kube import ObjectRef
from caisson_operator.effects.patroni import Member
from caisson_operator.sharded_database import access, steps
from caisson_operator.sharded_database import room as rooms
from caisson_operator.sharded_database.credentials import build_credentials
from caisson_operator.sharded_database.manifests import (
    DatabaseIdentity,
    build_authority_secret,
    build_credentials_secret,
)
from caisson_operator.sharded_database.switchover import REFUSED_BY_PATRONI, UNFINISHED
from caisson_operator.sharded_database.wanted import Engine
from fakes.certificates import new_authority
from fakes.observations import NOW
from fakes.patroni import A, B, C
from fakes.patroni_server import PASSWORD, FakePatroni, serving

STEP = steps.SwitchOver("s0", A, B, "7f3a")
pytestmark = pytest.mark.asyncio


class Kube:
    """Holds the Secrets of credentials and authority and nothing else."""

    def __init__(self) -> None:
        database, made = DatabaseIdentity("flights", "demo", "0"), new_authority()
        credentials = build_credentials_secret(database, build_credentials(lambda _: PASSWORD))
        self.secrets = [credentials, build_authority_secret(database, made.certificate, made.key)]

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        return next(secret for secret in self.secrets if ObjectRef.of(secret) == ref)


def resource() -> ShardedDatabase:
    metadata = {"name": "flights", "namespace": "demo", "uid": "0"}
    return load_sharded_database({"metadata": metadata, "spec": {"storage": {"size": "1Gi"}}})


def build_room() -> rooms.ShardedDatabaseRoom:
    return rooms.ShardedDatabaseRoom(Kube(), 1, Engine("image"), lambda *_: None, lambda: NOW)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def patroni(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakePatroni]:
    """In place of the leader's pod, whatever its name resolves to."""
    fake = FakePatroni(leader=A, standby=B)
    async with serving(fake) as server:

        def find(pod: str, pods: str, namespace: str, port: int, password: str, authority: str) -> Member:
            assert (pod, pods, namespace, port) == (A, "flights-s0-pods", "demo", 8008)
            assert authority.startswith("-----BEGIN CERTIFICATE-----")
            return Member(pod, server.url, password, server.authority)

        monkeypatch.setattr(access, "build_member", find)
        yield fake


async def test_asks_the_leader_with_the_password_of_the_credentials_and_notes_when(patroni: FakePatroni) -> None:
    room = build_room()
    await room.act(resource(), STEP)
    assert (patroni.leader, patroni.standby) == (B, A)
    assert room._asked_at == {"demo/flights": {"7f3a": NOW}}


@pytest.mark.parametrize(
    ("step", "fails_with", "reason"),
    [
        (steps.SwitchOver("s0", A, C, "7f3a"), None, REFUSED_BY_PATRONI),
        (STEP, (412, "leader name does not match"), REFUSED_BY_PATRONI),
        (STEP, (503, "Switchover status unknown"), UNFINISHED),
        (STEP, (500, ""), UNFINISHED),
    ],
)
async def test_an_answer_that_is_no_success_lets_go_with_its_reason(
    patroni: FakePatroni, step: steps.SwitchOver, fails_with: tuple[int, str] | None, reason: str
) -> None:
    patroni.fails_with = fails_with
    with pytest.raises(HeldUp) as raised:
        await build_room().act(resource(), step)
    assert raised.value.reason == reason
    assert patroni.leader == A
