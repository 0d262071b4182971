"""Patroni's own class, and the same with our habits, at the moments of tests/sim/early_expiry/test_leaned_on.py that decide.

A test of what Patroni itself does that fails after an update says that a habit of ours may have become its own.
"""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from patroni import postgresql  # noqa: F401 - before `ha`, which imports it in a circle

from fakes.programs import load_program

from patroni import ha  # isort: skip
from patroni.collections import CaseInsensitiveSet
from patroni.dcs import Failover, SyncState, kubernetes
from patroni.postgresql.sync import _SyncState

program = load_program("sync_record")
NOBODY = CaseInsensitiveSet()
SETTINGS = {
    "is_synchronous_mode": True,
    "is_quorum_commit_mode": False,
    "is_synchronous_mode_strict": False,
    "min_synchronous_nodes": 0,
    "is_paused": False,
}


def our_ha() -> type[ha.Ha]:
    class Ours(ha.Ha):  # type: ignore[misc]
        """A class of its own, since it is changed."""

    program.lead_only_if_named(Ours)
    program.write_before_setting(Ours)
    return Ours


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    chosen = SimpleNamespace(**SETTINGS)
    monkeypatch.setattr(ha, "global_config", chosen)
    return chosen


def build_member(of: type[Any], name: str, leader: str | None, standbys: str, is_primary: bool = False) -> Any:
    """As far as it takes: what `<scope>-sync` says, and mocks of the store and of PostgreSQL."""
    sync = SyncState.from_node("7", {"leader": leader, "sync_standby": standbys})
    member = object.__new__(of)
    member.cluster = SimpleNamespace(sync=sync, timeline=1, failover=None)
    member.dcs, member.state_handler, member.demote = Mock(ttl=20), Mock(), Mock()
    member.release_leader_key_voluntarily, member.watchdog = Mock(), Mock()
    member.patroni = Mock(nofailover=False)
    member._async_response, member._async_executor = ha.CriticalTask(), Mock()
    member._failsafe, member._rewind = Mock(), Mock()
    member.state_handler.name, member.state_handler.is_primary.return_value = name, is_primary
    member.state_handler.role = "replica"
    member.state_handler.is_starting.return_value = False
    member.state_handler.get_primary_timeline.return_value = 1
    member._released_leader_key_timestamp = 0
    return member


def is_promoted(member: Any) -> bool:
    return bool(member._async_executor.try_run_async.called)


def enforce(member: Any) -> str:
    return str(member.enforce_primary_role("leads", "promoted"))


def ask_by_hand(member: Any, leader: str | None = None) -> None:
    member.cluster.failover = Failover("3", leader, member.state_handler.name, None)


# Who leads is named.


def test_patroni_promotes_itself_without_asking_whether_it_is_named_still() -> None:
    member = build_member(ha.Ha, "B", leader="A", standbys="C")
    enforce(member)
    assert is_promoted(member)


def test_ours_gives_the_lead_up() -> None:
    member = build_member(our_ha(), "B", leader="A", standbys="C")
    assert "gave up the lead" in enforce(member)
    assert not is_promoted(member)
    member.release_leader_key_voluntarily.assert_called_once_with()
    member.dcs.write_sync_state.assert_not_called()


def test_ours_promotes_itself_by_the_very_version_that_names_it() -> None:
    member = build_member(our_ha(), "B", leader="A", standbys="B")
    enforce(member)
    assert is_promoted(member)
    member.dcs.write_sync_state.assert_called_once_with("B", None, 0, version="7")


def test_patroni_lets_a_running_primary_race_and_lead_that_is_not_named() -> None:
    member = build_member(ha.Ha, "A", leader="B", standbys="C", is_primary=True)
    assert member.is_healthiest_node()
    member.process_sync_replication = member.update_cluster_history = Mock()
    assert enforce(member) == "leads"
    member.demote.assert_not_called()


def test_ours_does_not_and_demotes_itself_where_it_has_the_lead() -> None:
    member = build_member(our_ha(), "A", leader="B", standbys="C", is_primary=True)
    assert not member.is_healthiest_node()
    assert "gave up the lead" in enforce(member)
    member.demote.assert_called_once_with("immediate")


@pytest.mark.parametrize(("leader", "standbys"), [("A", ""), ("B", "A"), (None, "")])
def test_who_is_named_goes_on_and_so_does_anybody_while_there_is_no_record(leader: str | None, standbys: str) -> None:
    member = build_member(our_ha(), "A", leader, standbys, is_primary=True)
    member.process_sync_replication = member.update_cluster_history = Mock()
    assert member.is_healthiest_node()
    assert enforce(member) == "leads"


@pytest.mark.parametrize(
    "changed", [{"is_quorum_commit_mode": True}, {"is_synchronous_mode": False}, {"is_paused": True}]
)
def test_quorum_commit_asynchronous_shards_and_a_pause_stay_as_they_are(
    settings: SimpleNamespace, changed: dict[str, bool]
) -> None:
    vars(settings).update(changed)
    assert not program.is_stranger(build_member(our_ha(), "A", leader="B", standbys="C"))


def test_a_failover_that_is_asked_for_by_hand_is_let_through_until_the_promotion_was_written() -> None:
    member = build_member(our_ha(), "C", leader="A", standbys="B")
    ask_by_hand(member)
    assert member.is_healthiest_node()
    member.cluster.failover = None  # Patroni removes it once it has the lead
    member.dcs.write_sync_state.return_value = None
    assert "Postponing" in enforce(member)
    member.dcs.write_sync_state.return_value = SyncState.from_node("8", {"leader": "C"})
    enforce(member)
    assert is_promoted(member)
    member.cluster.sync = member.dcs.write_sync_state.return_value
    enforce(member)
    member.cluster.sync = SyncState.from_node("9", {"leader": "A"})
    assert "gave up the lead" in enforce(member)


def test_a_switchover_to_a_member_that_is_not_named_is_not_by_hand() -> None:
    member = build_member(our_ha(), "C", leader="A", standbys="B")
    ask_by_hand(member, leader="A")
    assert not member.is_healthiest_node()


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_shard_that_was_just_made_goes_on_whatever_its_record_says(is_ours: bool) -> None:
    """The record is of an earlier shard of the same name, whose volumes are gone: the new one writes itself into it."""
    member = build_member(our_ha() if is_ours else ha.Ha, "C", leader="A", standbys="B", is_primary=True)
    member._async_response.complete(True)
    member.patroni.config.dynamic_configuration, member.load_cluster_from_dcs = {}, Mock()
    member._leader_expiry_lock, member.cluster.initialize = Mock(__enter__=Mock(), __exit__=Mock()), None
    assert member.post_bootstrap() == "initialized a new cluster"
    member.update_cluster_history = Mock()
    with_setting(member, waits_for="", streaming="")
    assert enforce(member) == "leads"
    member.dcs.write_sync_state.assert_called_once_with("C", None, 0, version="7")
    member.demote.assert_not_called()


# The record first.


def with_setting(member: Any, waits_for: str, streaming: str) -> Any:
    """PostgreSQL waits for one standby, and another one streams."""
    named, active = (CaseInsensitiveSet({name} if name else ()) for name in (waits_for, streaming))
    state = _SyncState("priority", len(named), named, named & active, active)
    member.state_handler.sync_handler.current_state.return_value = state
    return member.state_handler.sync_handler.set_synchronous_standby_names


def test_patroni_changes_the_setting_without_a_write_where_the_record_names_nobody() -> None:
    """PostgreSQL waits for B, which the record does not name yet and which is gone."""
    member = build_member(ha.Ha, "A", leader="A", standbys="")
    change = with_setting(member, waits_for="B", streaming="")
    member._process_multisync_replication()
    change.assert_called_once_with(NOBODY)
    member.dcs.write_sync_state.assert_not_called()


def test_ours_writes_the_record_before() -> None:
    member = build_member(our_ha(), "A", leader="A", standbys="")
    change = with_setting(member, waits_for="B", streaming="")
    member.dcs.write_sync_state.side_effect = lambda *_, **__: change.assert_not_called() or member.cluster.sync
    member._process_multisync_replication()
    member.dcs.write_sync_state.assert_called_once_with("A", [], 0, version="7")
    change.assert_called_once_with(NOBODY)


def test_ours_names_only_who_is_confirmed_in_that_write() -> None:
    """B is named from before the shard was asynchronous for a while: PostgreSQL waits for nobody, and B may lack commits."""
    member = build_member(our_ha(), "A", leader="A", standbys="B")
    with_setting(member, waits_for="", streaming="B")
    member.dcs.write_sync_state.return_value = None
    member._process_multisync_replication()
    member.dcs.write_sync_state.assert_called_once_with("A", [], 0, version="7")


@pytest.mark.parametrize("is_ours", [False, True])
def test_a_shard_that_becomes_asynchronous_waits_until_the_record_is_seen_empty_if_it_is_ours(is_ours: bool) -> None:
    """Nobody answers the write: the record may name B for as long as it takes, also once the shard is synchronous again."""
    member = build_member(our_ha() if is_ours else ha.Ha, "A", leader="A", standbys="B")
    drop = member.state_handler.config.set_synchronous_standby_names
    member.dcs.delete_sync_state.return_value = False
    member.disable_synchronous_replication()
    member.dcs.delete_sync_state.assert_called_once_with(version="7")
    assert drop.called != is_ours
    member.cluster.sync = SyncState.empty("8")
    member.disable_synchronous_replication()
    drop.assert_called()


def test_ours_leaves_the_setting_where_the_write_was_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    member = build_member(our_ha(), "A", leader="A", standbys="")
    change = with_setting(member, waits_for="B", streaming="")
    member.dcs.write_sync_state.return_value = None
    member._process_multisync_replication()
    change.assert_not_called()
    assert "synchronous_standby_names stays as it is" in caplog.text


def test_ours_writes_nothing_while_all_is_well() -> None:
    member = build_member(our_ha(), "A", leader="A", standbys="B")
    change = with_setting(member, waits_for="B", streaming="B")
    member._process_multisync_replication()
    change.assert_not_called()
    member.dcs.write_sync_state.assert_not_called()


# Writes that say the same are told apart.


class FakeAnswer(SimpleNamespace):
    @classmethod
    def of_version(cls, version: str) -> "FakeAnswer":
        return cls(metadata=SimpleNamespace(resource_version=version))


def build_store(change: bool) -> Any:
    class Store(kubernetes.Kubernetes):  # type: ignore[misc]
        sync_path = "s0-sync"

        def __init__(self) -> None:
            self.sent: list[dict[str, Any]] = []
            self.retry = None

        def _patch_or_create(self, name: str, annotations: dict[str, Any], *rest: Any) -> FakeAnswer:
            self.sent.append(annotations)
            return FakeAnswer.of_version("8")

    if change:
        program.tell_writes_apart(Store)
    return Store()


@pytest.mark.parametrize("is_ours", [False, True])
def test_two_writes_that_say_the_same_differ_so_that_each_raises_the_version(is_ours: bool) -> None:
    store = build_store(is_ours)
    for _ in range(2):
        assert store.write_sync_state("A", None, 0, version="7").version == "8"
    first, second = store.sent
    assert (first != second) == is_ours
    assert {name: value for name, value in first.items() if name != program.WRITE} == {
        "leader": "A",
        "quorum": "0",
        "sync_standby": None,
    }


def test_other_objects_are_written_as_before() -> None:
    store = build_store(change=True)
    store.patch_or_create("s0-config", {"history": "[]"}, patch=True)
    assert store.sent == [{"history": "[]"}]
