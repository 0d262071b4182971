"""Which rules a run is played by: Patroni's own, those that we have changed (patroni_member.py), and two that nobody has yet.

Each can be switched off by itself, for controls. `ASSUMED` are what the real rules lean on, and what a run may take away from them.
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
    # Ours: a running primary holds its own record for its own, however old.
    holds_own_record: bool = True
    late_answer: Late = Late.UNANSWERED
    # Patroni's own.
    renews_only_its_own: bool = True
    races_only_if_named: bool = True
    asks_before_going_on: bool = True
    leader_refuses_to_bear: bool = True
    # Nobody's yet: whoever has the lead uses it only by a sync record that still names it,
    leads_only_if_named: bool = False
    # and PostgreSQL's setting changes only after a write to the sync record that was answered.
    writes_before_setting: bool = False
    # Assumed: no cycle lasts for ttl, no watch is deaf without knowing it, a write to the sync record is carried out before its
    # sender goes on, and who is promoted has told everybody its timeline.
    cycles_are_short: bool = True
    watches_are_current: bool = True
    sync_writes_are_prompt: bool = True
    timelines_are_known: bool = True


REAL = Rules()
REAL_WITHOUT_ASSUMPTIONS = Rules(
    cycles_are_short=False, watches_are_current=False, sync_writes_are_prompt=False, timelines_are_known=False
)
STRICTER = replace(REAL_WITHOUT_ASSUMPTIONS, leads_only_if_named=True, writes_before_setting=True)
