"""Rivals who are stopped, killed and cut off from their locks lose no update behind a fence, and lose some without one."""

from pathlib import Path

import pytest

from coordination.rivalry import Faults, Findings, prepared

FAULTS = Faults(stop_every=0.5, kill_every=2.0, cut_every=2.5, failover_every=6.0)
ACQUISITIONS = {"redis": 1200, "zookeeper": 300, "database": 300}
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
    assert min(findings.stops, findings.kills, findings.cuts, findings.failovers) > 0, findings
    assert findings.acquisitions >= ACQUISITIONS[backend]


@pytest.mark.parametrize("backend", ACQUISITIONS)
def test_a_control_without_a_fence_loses_acknowledged_updates(tmp_path: Path, backend: str) -> None:
    """Whom a stop befalls is chance, so a run in which it cost nobody anything is played again."""
    runs = (play(tmp_path / f"bare-{number}", backend, is_fenced=False) for number in range(CONTROL_RUNS))
    findings = next(found for found in runs if found.lost > 0)
    assert (findings.repeated, findings.backwards) == (0, 0), findings
