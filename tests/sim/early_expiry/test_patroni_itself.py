"""That the model leans where Patroni does: its own methods, at the moments of test_leaned_on.py that lose what was acknowledged.

A test that fails here after an update of Patroni says that a rule of the model is to be changed, perhaps for the better.
"""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from patroni import postgresql  # noqa: F401 - before `ha`, which imports it in a circle

from patroni import ha  # isort: skip
from patroni.collections import CaseInsensitiveSet
from patroni.dcs import SyncState
from patroni.postgresql.sync import _SyncState

SETTINGS = {
    "is_synchronous_mode": True,
    "is_quorum_commit_mode": False,
    "is_synchronous_mode_strict": False,
    "min_synchronous_nodes": 0,
    "is_paused": False,
}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ha, "global_config", SimpleNamespace(**SETTINGS))


def build_member(name: str, leader: str, standbys: str) -> Any:
    """As far as it takes: what `<scope>-sync` says, and mocks of the store and of PostgreSQL."""
    sync = SyncState.from_node("7", {"leader": leader, "sync_standby": standbys})
    member = object.__new__(ha.Ha)
    member.cluster = SimpleNamespace(sync=sync, timeline=1)
    member.dcs, member.state_handler = Mock(ttl=20), Mock()
    member.state_handler.name = name
    member._released_leader_key_timestamp = 0
    return member


def test_who_has_the_lead_is_not_asked_whether_it_is_named_before_it_promotes_itself() -> None:
    member = build_member("B", leader="A", standbys="C")
    assert member.process_sync_replication_prepromote()
    member.dcs.write_sync_state.assert_called_once_with("B", None, 0, version="7")


def test_a_setting_changes_without_a_write_where_the_record_names_nobody() -> None:
    """It waits for B, which the record does not name yet and which is gone."""
    nobody = CaseInsensitiveSet()
    member = build_member("A", leader="A", standbys="")
    state = _SyncState("priority", 1, CaseInsensitiveSet({"B"}), nobody, nobody)
    member.state_handler.sync_handler.current_state.return_value = state
    member._process_multisync_replication()
    member.state_handler.sync_handler.set_synchronous_standby_names.assert_called_once_with(nobody)
    member.dcs.write_sync_state.assert_not_called()


def test_a_running_primary_is_not_asked_whether_it_is_named_before_it_races() -> None:
    member = build_member("A", leader="B", standbys="C")
    member.state_handler.is_starting.return_value = False
    member.state_handler.get_primary_timeline.return_value = 1
    assert member.is_healthiest_node()
