"""What to do next about one ShardedDatabase: the room's decisions in their order. Pure."""

from collections.abc import Mapping
from functools import partial

from caisson_operator.api.sharded_database_spec import Durability
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait, decide_first

from . import steps
from .configuring import decide_settings, wait_for_standbys
from .copy_room import explain_no_room
from .draining import decide_drains, wait_for_drains
from .expansion import decide_expansion, decide_roll_forward, plan_expansion, settle_gates
from .failovers import wait_for_history
from .growing import decide_growth, judge_growth
from .logins import decide_logins, explain_rotation
from .member_passwords import decide_member_passwords, explain_member_rotation
from .observed import Expansion, Observed, Shard, find_latest, find_running, owners
from .open_transactions import wait_for_transactions
from .operator_passwords import decide_operator_passwords, explain_operator_rotation
from .protection import wait_for_synchronous_standbys
from .provisioning import decide_provisioning
from .replacing import decide_replacement
from .schema import decide_schema, pending_migrations, refuse_unfit_tables
from .switchover import decide_switchover
from .updating import decide_mending, decide_updates
from .wanted import Wanted


def decide(wanted: Wanted, observed: Observed) -> Decision:
    """A running expansion comes before what waits for every shard, and its fences before everything: they must not stay half done.

    A switchover that was asked for, or that a drain needs, waits for nothing else.
    """
    running = find_running(observed)
    return decide_first(
        lambda: decide_roll_forward(running, observed.shards) if running else Settled(),
        lambda: settle_gates(observed.shards),
        lambda: decide_switchover(wanted, observed),
        lambda: decide_drains(wanted, observed),
        lambda: decide_replacement(wanted, observed),
        lambda: decide_growth(wanted, observed),
        lambda: _refuse_expansion(wanted, observed),
        lambda: decide_provisioning(wanted, observed),
        lambda: decide_logins(wanted, observed),
        lambda: decide_operator_passwords(wanted, observed, is_expanding=running is not None),
        lambda: decide_member_passwords(wanted, observed, is_expanding=running is not None),
        lambda: decide_mending(wanted, observed),
        lambda: _go_on_expanding(wanted, observed, running) if running else Settled(),
        lambda: decide_settings(wanted, observed, is_expanding=False),
        lambda: _wait_for_shards(wanted, observed),
        lambda: decide_schema(wanted, observed.shards),
        lambda: _start_expansion(wanted, observed),
        lambda: wait_for_standbys(wanted, observed),
        lambda: wait_for_history(observed),
        lambda: wait_for_synchronous_standbys(wanted, observed),
        lambda: explain_rotation(wanted, observed),
        lambda: decide_updates(wanted, observed),
        lambda: wait_for_drains(wanted, observed),
        lambda: judge_growth(wanted, observed),
        lambda: explain_operator_rotation(wanted, observed),
        lambda: explain_member_rotation(wanted, observed),
    )


def _refuse_expansion(wanted: Wanted, observed: Observed) -> Decision:
    """Before a new shard is made: a fence whose commit is lost in a failover would make two owners, and some tables cannot move.

    Where nobody owns a bucket yet the database itself is being made, maybe after a crash in the middle, and nothing moves.
    """
    is_growing = 0 < len(observed.objects.shards) < len(wanted.shards) and bool(owners(observed.shards))
    if is_growing and wanted.members > 1 and wanted.durability is Durability.ASYNCHRONOUS:
        return Refuse(
            "DurabilityAsynchronous",
            "a database with several members a shard must be synchronous before it can expand: "
            "set spec.durability to synchronous first",
        )
    return _refuse_tables_that_cannot_move(wanted, observed.shards) if is_growing else Settled()


def _refuse_tables_that_cannot_move(wanted: Wanted, shards: Mapping[str, Shard]) -> Decision:
    """A migration that waits may be the one that mends a table, and comes once the new shard is there."""
    is_migrated = not any(pending_migrations(wanted, shard) for shard in shards.values())
    return refuse_unfit_tables(wanted, shards) if is_migrated else Settled()


def _go_on_expanding(wanted: Wanted, observed: Observed, running: Expansion) -> Decision:
    """Settings are sent where the expansion waits: maybe for the very standby that they make synchronous."""
    decision = decide_expansion(running, observed.shards, wanted.pace, observed.now)
    settings = decide_settings(wanted, observed, is_expanding=True) if isinstance(decision, Wait) else Settled()
    return settings if isinstance(settings, Plan) else decision


def _wait_for_shards(wanted: Wanted, observed: Observed) -> Decision:
    missing = [shard for shard in wanted.shards if shard not in observed.shards]
    if not missing:
        return Settled()
    turns = dict.fromkeys(set(wanted.shards) - observed.objects.shards, "is made once the one before it is up")
    reasons = turns | dict(observed.unreachable)
    told = "; ".join(f"{shard}: {reasons.get(shard, 'not there yet')}" for shard in missing)
    return Wait("ShardsNotReady", f"waiting for a primary of {', '.join(missing)} ({told})"[:1800], 2)


def _start_expansion(wanted: Wanted, observed: Observed) -> Decision:
    last = find_latest(observed)
    number = last.number + 1 if last else 1
    groups = plan_expansion(wanted.groups, observed.shards, wanted.shards, number, wanted.pace)
    if not groups:
        return Settled()
    for group in groups:
        if no_room := explain_no_room(observed.shards[group.source], observed.shards[group.target], ()):
            return Refuse("NoRoomForCopies", no_room)
    sources = dict.fromkeys(group.source for group in groups)
    held = decide_first(*(partial(wait_for_transactions, observed.shards[name]) for name in sources))
    if isinstance(held, Wait):
        return held
    begin = len(set(owners(observed.shards).values()))
    start = steps.StartExpansion(wanted.shards[0], number, begin, len(wanted.shards), groups)
    moving = sum(len(group.buckets) for group in groups)
    return Plan((start,), "Planning", f"moving {moving} buckets in {len(groups)} switch groups")
