"""Patroni's two habits as to `<scope>-sync`, the record of who has every acknowledged commit, changed.

Patroni 4.1 takes for granted that no loop of it lasts for ttl, that its watch shows what is, and that a write which was not answered was
not done. Where one of them fails, it loses what was acknowledged (tests/sim/early_expiry/test_leaned_on.py has each race):

**Who leads is named.** It looks once whether the record names it, before it takes the lead, and a running primary not even then. By the
time of the promotion the old primary may have taken it out of the record and acknowledged alone. Here the lead is used only by a record that
names this member, of the very version that the promotion then replaces; otherwise it is given up. Exempt are whom somebody has asked for
by hand, who is to answer for it, and a shard that has just been made: its record is of an earlier one, of the same name.

**The record first.** A standby that the record does not name is given up in PostgreSQL's setting alone. A write that named it, held for
failed, may then still arrive: it is named, and lacks commits. Here the setting changes only after a write of the record that was answered,
which leaves all earlier ones with an old version. Kubernetes raises no version for a write that changes nothing, so each has an id.

Quorum commit stays as it is, and so does who leads in a pause.
"""

import logging
import uuid
from dataclasses import dataclass
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
    """`ha` is Patroni's class Ha. What the first method returns is the record whose version all later writes of the loop name."""
    enable, disable = ha._maybe_enable_synchronous_mode, ha.disable_synchronous_replication

    def enable_and_write(self: Any) -> Any:
        sync = enable(self)
        is_own = bool(sync) and sync.leader == self.state_handler.name and not self.is_quorum_commit_mode()
        return write_if_setting_changes(self, sync) if is_own else sync

    def empty_and_disable(self: Any) -> None:
        """In one loop the record, which the next one has to have seen empty."""
        if self.cluster.sync.is_empty:
            disable(self)
        else:
            self.dcs.delete_sync_state(version=self.cluster.sync.version)

    ha._maybe_enable_synchronous_mode, ha.disable_synchronous_replication = enable_and_write, empty_and_disable


def write_if_setting_changes(ha: Any, sync: Any) -> Any:
    """Patroni's SyncState; None where the write was not answered, which ends this part of its loop."""
    state = ha.state_handler.sync_handler.current_state(ha.cluster)
    if state.active == state.sync:
        return sync
    confirmed = [name for name in sync.voters if name in state.sync_confirmed]
    written = ha.dcs.write_sync_state(sync.leader, confirmed, sync.quorum, version=sync.version)
    if not written:
        logger.warning("synchronous_standby_names stays as it is: the record could not be written before")
    return written


def lead_only_if_named(ha: Any) -> None:
    """`ha` is Patroni's class Ha."""
    is_healthiest_node, enforce_primary_role, post_bootstrap = (
        ha.is_healthiest_node,
        ha.enforce_primary_role,
        ha.post_bootstrap,
    )
    exempt = Exemption()

    def judge(self: Any) -> bool:
        exempt.holds = is_asked_for_by_hand(self)
        return (exempt.holds or not is_stranger(self)) and bool(is_healthiest_node(self))

    def begin(self: Any) -> Any:
        exempt.holds = True
        return post_bootstrap(self)

    def enforce(self: Any, *messages: str) -> Any:
        if not is_stranger(self):
            exempt.holds = False
        elif not exempt.holds:
            return give_up(self)
        return enforce_primary_role(self, *messages)

    ha.is_healthiest_node, ha.enforce_primary_role, ha.post_bootstrap = judge, enforce, begin


@dataclass
class Exemption:
    """Known before the lead is taken, and to be kept until the record names this member."""

    holds: bool = False


def is_asked_for_by_hand(ha: Any) -> bool:
    failover = ha.cluster.failover
    return bool(failover and not failover.leader and failover.candidate == ha.state_handler.name)


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
