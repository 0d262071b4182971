"""Which rules a run is played by: Patroni's own, and those that we have changed (patroni_member.py, sync_record.py).

Each can be switched off by itself, for controls. Patroni's own lean on more than they can know, which a run may grant them.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Late(StrEnum):
    """What a renewal is that met another version with no time left to look whose record it is."""

    UNANSWERED = "unanswered"  # Ours: failsafe mode decides.
    FAILED = "failed"  # Patroni's own: the primary is demoted.
    DONE = "done"  # Nobody's.


@dataclass(frozen=True)
class Rules:
    # Ours: a running primary holds its own record for its own, however old,
    holds_own_record: bool = True
    late_answer: Late = Late.UNANSWERED
    # whoever has the lead uses it only by a sync record that still names it,
    leads_only_if_named: bool = True
    # and PostgreSQL's setting changes only after a write to the sync record that was answered.
    writes_before_setting: bool = True
    # Patroni's own.
    renews_only_its_own: bool = True
    races_only_if_named: bool = True
    asks_before_going_on: bool = True
    leader_refuses_to_bear: bool = True
    # Granted: no cycle lasts for ttl, no watch is deaf without knowing it, a write to the sync record is carried out before its
    # sender goes on, and who is promoted has told everybody its timeline.
    cycles_are_short: bool = False
    watches_are_current: bool = False
    sync_writes_are_prompt: bool = False
    timelines_are_known: bool = False


REAL = Rules()
PATRONIS_OWN = replace(REAL, leads_only_if_named=False, writes_before_setting=False)
PATRONIS_OWN_AT_BEST = replace(
    PATRONIS_OWN,
    cycles_are_short=True,
    watches_are_current=True,
    sync_writes_are_prompt=True,
    timelines_are_known=True,
)
