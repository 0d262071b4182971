"""Who may end a silent leader's lead, and in which order it is done."""

from dataclasses import replace
from typing import Any

import pytest

from early_expiry.decide import Case, Expire, ExpireLeader, HideMember, Refuse, TouchSync, decide_expiry
from early_expiry.records import (
    NO_SYNC,
    LeaderRecord,
    OwnMember,
    SyncRecord,
    parse_leader,
    parse_own,
    parse_sync,
)
from early_expiry.watch import Watch

RECORD = LeaderRecord(version="7", leader="flights-s0-0", acquired="a", renewed="r", address="10.0.0.1")
SILENT = Watch(RECORD, looked_at=10, changed_at=7, probed_at=10, is_renewal=True, postgres_down_since=8)
SYNC = SyncRecord(version="5", leader="flights-s0-0", standbys=frozenset({"flights-s0-1"}), quorum=0)
STATUS: dict[str, Any] = {"state": "running", "role": "replica", "xlog": {"paused": False}, "dcs_last_seen": 1000}
DATE = "Thu, 01 Jan 1970 00:16:41 GMT"  # a second after
OWN = parse_own(True, STATUS, DATE)
CASE = Case("flights-s0-1", SILENT, RECORD, SYNC, OWN)


def own(**changed: Any) -> OwnMember:
    return parse_own(True, {**STATUS, **changed}, DATE)


def test_touches_the_sync_record_before_it_ends_the_lead() -> None:
    """Each write depends on the version that was read, the leader's record having been read first."""
    assert decide_expiry(CASE) == Expire((TouchSync("5"), ExpireLeader("7")))


def test_hides_a_leader_whose_rest_api_is_as_silent_as_its_postgresql() -> None:
    case = replace(CASE, watch=replace(SILENT, rest_down_since=8.2))
    assert decide_expiry(case) == Expire((TouchSync("5"), HideMember("flights-s0-0"), ExpireLeader("7")))


def test_a_record_that_was_written_without_a_renewal_is_still_the_one_that_was_watched() -> None:
    """Patroni writes the position of its log without touching renewTime."""
    assert decide_expiry(replace(CASE, record=replace(RECORD, version="8"))) == Expire(
        (TouchSync("5"), ExpireLeader("8"))
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"record": replace(RECORD, renewed="later")}, "changed meanwhile"),
        ({"record": replace(RECORD, acquired="later")}, "changed meanwhile"),
        ({"record": replace(RECORD, leader=None)}, "changed meanwhile"),
        ({"sync": NO_SYNC}, "asynchronous"),
        ({"sync": replace(SYNC, leader="flights-s0-2")}, "not the leader's"),
        ({"sync": replace(SYNC, standbys=frozenset())}, "not the synchronous standby"),
        ({"sync": replace(SYNC, standbys=frozenset({"flights-s0-2"}))}, "not the synchronous standby"),
        ({"sync": replace(SYNC, quorum=1)}, "quorum"),
        ({"own": replace(OWN, is_postgres_up=False)}, "PostgreSQL does not answer"),
        ({"own": parse_own(True, None)}, "Patroni does not answer"),
        ({"own": own(state="starting")}, "not a running standby"),
        ({"own": own(role="primary")}, "not a running standby"),
        ({"own": own(xlog={"paused": True})}, "replay is paused"),
        ({"own": own(pause=True)}, "Patroni is paused"),
        ({"own": own(failsafe_mode_is_active=True)}, "bear with it"),
        ({"own": own(dcs_last_seen=990)}, "not reached the store"),
        ({"own": own(dcs_last_seen=None)}, "not reached the store"),
        ({"own": parse_own(True, STATUS)}, "not reached the store"),
        ({"own": parse_own(True, STATUS, "at noon")}, "not reached the store"),
    ],
)
def test_refuses_with_a_reason(change: dict[str, Any], reason: str) -> None:
    decision = decide_expiry(replace(CASE, **change))
    assert isinstance(decision, Refuse)
    assert reason in decision.reason


def test_reads_records_as_patroni_writes_them() -> None:
    leader = parse_leader(
        {
            "metadata": {
                "resourceVersion": "42",
                "annotations": {
                    "leader": "flights-s0-0",
                    "acquireTime": "2026-11-25T08:00:00.1+00:00",
                    "renewTime": "2026-11-25T08:00:09.2+00:00",
                    "ttl": "20",
                    "transitions": "3",
                    "optime": "50331648",
                },
            },
            "subsets": [
                {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"name": "postgresql", "port": 5432, "protocol": "TCP"}]}
            ],
        }
    )
    assert leader == LeaderRecord(
        "42", "flights-s0-0", "2026-11-25T08:00:00.1+00:00", "2026-11-25T08:00:09.2+00:00", "10.0.0.1"
    )
    sync = {"leader": "flights-s0-0", "sync_standby": "flights-s0-1,flights-s0-2", "quorum": "1"}
    assert parse_sync({"metadata": {"resourceVersion": "43", "annotations": sync}}) == SyncRecord(
        "43", "flights-s0-0", frozenset({"flights-s0-1", "flights-s0-2"}), 1
    )


def test_reads_records_that_nobody_has_written_yet() -> None:
    bare = {"metadata": {"resourceVersion": "1"}}
    assert parse_leader(bare) == LeaderRecord("1", None, "", "", None)
    assert parse_sync(bare) == SyncRecord("1", None, frozenset(), 0)
