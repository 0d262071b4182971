"""More switch groups than a target has workers for: copied in waves; all at once, as a control, they never get anywhere."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from caisson_operator.core.decisions import Refuse
from caisson_operator.sharded_database import expansion
from postgres.clusters import Cluster
from postgres.expansion.application import LoadOptions
from postgres.expansion.leftovers import must_be_settled
from postgres.expansion.load import running_load
from postgres.expansion.stage import Stage, set_stage

WORKERS = 4  # for three subscriptions and an initial copy
GROUPS = {"expansion": {"switchGroups": 8}}
PATIENCE_SECONDS = 15.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    settings = {"max_logical_replication_workers": WORKERS, "max_sync_workers_per_subscription": 1}
    with set_stage(tmp_path, GROUPS, settings) as stage:
        yield stage


def test_all_groups_come_to_their_turn(stage: Stage) -> None:
    with running_load(stage.clusters, stage.binding, LoadOptions()) as load:
        load.wait_for_writes(50)
        operator = stage.expand()
        findings = load.check()
    assert findings.is_clean, findings
    assert len(operator.pauses) == 8
    must_be_settled(stage.clusters)


def test_all_at_once_they_wait_for_a_worker_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "explain_no_room", lambda *_: "")

    async def play() -> None:
        operator = stage.operator()
        try:
            await operator.run(seconds=PATIENCE_SECONDS)
        finally:
            await operator.close()

    with pytest.raises(TimeoutError, match="Copying"):
        asyncio.run(play())


def test_workers_that_others_hold_are_told_before_anything_is_made(stage: Stage) -> None:
    hold_workers(stage.target, WORKERS - 1)

    async def play() -> object:
        operator = stage.operator()
        try:
            return await operator.run()
        finally:
            await operator.close()

    refused = asyncio.run(play())
    assert isinstance(refused, Refuse)
    assert refused.reason == "NoRoomForCopies"
    assert "s1 has 1 logical replication workers to spare" in refused.message


def hold_workers(cluster: Cluster, count: int) -> None:
    text = "CREATE SUBSCRIPTION theirs_{0} CONNECTION 'host=127.0.0.1' PUBLICATION theirs WITH (connect = false)"
    with cluster.connect() as connection:
        for number in range(count):
            connection.execute(text.format(number).encode())
