"""Rivals who are stopped, killed and cut off from their locks lose no update behind a fence, and lose some without one."""

import random
from functools import partial
from pathlib import Path

import pytest

import caisson
from coordination.lock_contract import FAR
from coordination.relay import Way, open_way
from coordination.rival_redis import running_sentinel_store
from coordination.rivalry import Faults, Findings, prepared, write_binding

FAULTS = Faults(stop_every=0.5, kill_every=2.0, cut_every=2.5, failover_every=5.0, loss_every=7.0)
ACQUISITIONS = {"redis": 300, "redlock": 500, "zookeeper": 300, "database": 300}
FORGETFUL = ("redis", "redlock")
# Of the acquisitions in which a rival thinks between reading and writing, which is when to be stopped costs an update.
THINKING_SHARE = 0.5
CONTROL_RUNS = 5


def play(folder: Path, backend: str, is_fenced: bool) -> Findings:
    folder.mkdir()
    wanted = {"is_fenced": is_fenced, "acquisitions": ACQUISITIONS[backend], "faults": FAULTS}
    with prepared(folder, backend, **wanted, thinking_share=THINKING_SHARE) as rivalry:  # type: ignore[arg-type]
        return rivalry.run()


@pytest.mark.parametrize("backend", ACQUISITIONS)
def test_no_acknowledged_update_is_lost_behind_a_fence(tmp_path: Path, backend: str) -> None:
    findings = play(tmp_path / "fenced", backend, is_fenced=True)
    assert findings.lost == 0, findings
    assert (findings.repeated, findings.backwards) == (0, 0), findings
    assert min(findings.stops, findings.kills, findings.cuts, findings.failovers, findings.relayed) > 0, findings
    assert (findings.restores > 0) == (backend in FORGETFUL), findings
    assert findings.acquisitions >= ACQUISITIONS[backend]


@pytest.mark.parametrize("backend", ACQUISITIONS)
def test_a_control_without_a_fence_loses_acknowledged_updates(tmp_path: Path, backend: str) -> None:
    """Whom a stop befalls is chance, so a run in which it cost nobody anything is played again."""
    runs = (play(tmp_path / f"bare-{number}", backend, is_fenced=False) for number in range(CONTROL_RUNS))
    findings = next(found for found in runs if found.lost > 0)
    assert (findings.repeated, findings.backwards) == (0, 0), findings


def test_a_control_whose_epoch_stays_the_same_has_tokens_that_repeat_or_go_back(tmp_path: Path) -> None:
    """A store that was set back to an older copy counts on from there."""
    with prepared(
        tmp_path,
        open_store=partial(running_sentinel_store, is_raising=False),
        is_fenced=False,
        acquisitions=ACQUISITIONS["redis"],
        faults=FAULTS,
    ) as rivalry:
        findings = rivalry.run()
    assert findings.repeated + findings.backwards > 0, findings


def test_who_is_led_by_a_sentinel_through_relays_has_no_way_around_them(tmp_path: Path) -> None:
    with running_sentinel_store() as store, open_way() as way:
        write_binding(tmp_path / "relayed", store.entries(way))
        with caisson.DistributedLock.connect(binding=tmp_path / "relayed") as locks:
            assert_led_that_way(locks, way)
            store.fail_over(random.Random(1))
            assert_led_that_way(locks, way)


def assert_led_that_way(locks: caisson.DistributedLock, way: Way) -> None:
    locks.lock("a").hold(timeout=FAR).release()
    way.cut()
    with pytest.raises(caisson.Unavailable):
        locks.lock("a").try_hold()
    way.heal()
