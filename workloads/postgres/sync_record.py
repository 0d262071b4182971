"""Patroni's two habits as to `<scope>-sync`, the record of who has every acknowledged commit, changed.

Patroni 4.1 takes for granted that no loop of it lasts for ttl, that its watch shows what is, and that a write which was not answered was
not done. Where one of them fails, it loses what was acknowledged (tests/sim/early_expiry/test_leaned_on.py has each race):

**Who leads is named.** It looks once whether the record names it, before it takes the lead, and a running primary not even then. By the
time of the promotion the old primary may have taken it out of the record and acknowledged alone. Here the lead is used only by a record that
names this member, of the very version that the promotion then replaces; otherwise it is given up. A failover that somebody has asked
for by hand, with a candidate, is theirs to answer for.

**The record first.** A standby that the record does not name is given up in PostgreSQL's setting alone. A write that named it, held for
failed, may then still arrive: it is named, and lacks commits. Here the setting changes only after a write of the record that was answered,
which leaves all earlier ones with an old version. Kubernetes raises no version for a write that changes nothing, so each has an id.

Quorum commit and pause stay as they are.
"""

import logging
import uuid
from typing import Any

WRITE = "caisson.dev/write"

logger = logging.getLogger("patroni.ha")


def tell_writes_apart(store: Any) -> None:
    """`store` is Patroni's class Kubernetes."""
    patch_or_create = store.patch_or_create

    def put(self: Any, name: str, annotations: dict[str, Any], *rest: Any, **more: Any) -> Any:
        told = annotations | {WRITE: uuid.uuid4().hex} if name == self.sync_path else annotations
        return patch_or_create(self, name, told, *rest, **more)

    store.patch_or_create = put


def write_before_setting(ha: Any) -> None:
    """`ha` is Patroni's class Ha. What this method returns is the record whose version all later writes of the loop name."""
    enable = ha._maybe_enable_synchronous_mode

    def enable_and_write(self: Any) -> Any:
        sync = enable(self)
        if not sync or self.is_quorum_commit_mode() or not is_setting_to_change(self):
            return sync
        written = self.dcs.write_sync_state(sync.leader, sync.voters, sync.quorum, version=sync.version)
        if not written:
            logger.warning("synchronous_standby_names stays as it is: the record could not be written before")
        return written

    ha._maybe_enable_synchronous_mode = enable_and_write


def is_setting_to_change(ha: Any) -> bool:
    state = ha.state_handler.sync_handler.current_state(ha.cluster)
    return bool(state.active != state.sync)


def lead_only_if_named(ha: Any) -> None:
    """`ha` is Patroni's class Ha."""
    is_healthiest_node, enforce_primary_role = ha.is_healthiest_node, ha.enforce_primary_role
    by_hand = ByHand()

    def judge(self: Any) -> bool:
        by_hand.look(self)
        return (by_hand.is_asked_for or not is_stranger(self)) and bool(is_healthiest_node(self))

    def enforce(self: Any, *messages: str) -> Any:
        if not is_stranger(self):
            by_hand.is_asked_for = False
        elif not by_hand.is_asked_for:
            return give_up(self)
        return enforce_primary_role(self, *messages)

    ha.is_healthiest_node, ha.enforce_primary_role = judge, enforce


class ByHand:
    """Whether somebody has asked for a failover to this member: known before the race, and to be kept until it is named."""

    def __init__(self) -> None:
        self.is_asked_for = False

    def look(self, ha: Any) -> None:
        failover = ha.cluster.failover
        self.is_asked_for = bool(failover and not failover.leader and failover.candidate == ha.state_handler.name)


def is_stranger(ha: Any) -> bool:
    """Whether others may have acknowledged commits that this member lacks."""
    is_by_record = ha.sync_mode_is_active() and not ha.is_quorum_commit_mode() and not ha.is_paused()
    return is_by_record and not ha.cluster.sync.matches(ha.state_handler.name, True)


def give_up(ha: Any) -> str:
    if ha.state_handler.is_primary():
        ha.demote("immediate")
    else:
        ha.release_leader_key_voluntarily()
    return "gave up the lead, since the sync record does not name me: others may have commits that I lack"
