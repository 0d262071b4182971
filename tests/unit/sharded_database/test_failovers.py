"""The history of failovers says what Patroni's records and the operator's own last look tell, and nothing else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from caisson_operator.api.failover_status import FailoverStatus, LeaderStatus, SwitchoverPhase, SwitchoverStatus
from caisson_operator.api.sharded_database_status import ShardedDatabaseStatus
from caisson_operator.core.decisions import Settled, Wait
from caisson_operator.sharded_database.failovers import follow_leader, list_failovers, wait_for_history
from caisson_operator.sharded_database.observed import Observed, Pod
from caisson_operator.sharded_database.patroni_state import PatroniState
from caisson_operator.sharded_database.recorded import Recorded, read_recorded
from caisson_operator.sharded_database.status import build_status
from fakes.observations import NOW
from fakes.patroni import HEARD_AT, PROMOTED_AT, WANTED, A, B, line, pod, pods, see, server, state

FIRST = line(1, B)
AFTER = state(B, A, (FIRST,))  # B was promoted, and A stands by


def tell(entry: FailoverStatus) -> dict[str, Any]:
    told: dict[str, Any] = entry.model_dump(mode="json", by_alias=True, exclude_none=True)
    return told


def after(leader: LeaderStatus | None = None, is_a_ready: bool = True, **changes: Any) -> Observed:
    """B leads on the second timeline; `leader` is what the status says of the first."""
    recorded = Recorded(leaders={"s0": leader} if leader else {}, **changes)
    members = pods(a=pod(A, "replica", is_a_ready), b=pod(B, "primary"))
    return see(AFTER, members, server(timeline=2, standby=A), recorded)


def knew(**changes: Any) -> LeaderStatus:
    """The status spoke of A in the lead of the first timeline, with B as its synchronous standby."""
    return LeaderStatus(member=A, timeline=1, synchronous_standby=B).model_copy(update=changes)


def test_a_loss_that_was_watched_is_told_whole() -> None:
    (entry,) = list_failovers(WANTED, after(knew(heard_at=HEARD_AT)))
    assert tell(entry) == {
        "shard": "s0",
        "at": "2026-01-01T11:59:57Z",
        "from": A,
        "to": B,
        "timelineBefore": 1,
        "timelineAfter": 2,
        "durationSeconds": 2.5,
        "cause": "PrimaryLost",
        "lost": "none",
    }


def test_of_what_nobody_watched_only_the_history_speaks() -> None:
    """As after the status was deleted: nothing is invented in place of what is gone."""
    (entry,) = list_failovers(WANTED, after())
    assert tell(entry) == {
        "shard": "s0",
        "at": "2026-01-01T11:59:57Z",
        "to": B,
        "timelineBefore": 1,
        "timelineAfter": 2,
    }


def test_a_history_without_times_and_names_is_told_without_them() -> None:
    observed = see(state(B, A, (replace(FIRST, at=None, new_leader=""),)), shards=server(timeline=2))
    (entry,) = list_failovers(WANTED, observed)
    assert tell(entry) == {"shard": "s0", "timelineBefore": 1, "timelineAfter": 2}


def test_the_leader_of_a_later_timeline_is_known_from_the_line_before() -> None:
    lines = (FIRST, line(2, A, PROMOTED_AT + timedelta(minutes=1)))
    newest, oldest = list_failovers(WANTED, see(state(A, B, lines), shards=server(timeline=3)))
    assert (newest.from_member, newest.to_member, newest.timeline_before, newest.timeline_after) == (B, A, 2, 3)
    assert (oldest.from_member, oldest.to_member, oldest.timeline_before, oldest.timeline_after) == (None, B, 1, 2)


def test_where_the_server_cannot_be_asked_the_new_timeline_is_left_open() -> None:
    (entry,) = list_failovers(WANTED, replace(after(), shards={}))
    assert entry.timeline_after is None


def test_an_entry_that_stands_in_the_history_stays_as_it_is() -> None:
    told = FailoverStatus(
        shard="s0", at=PROMOTED_AT, from_member=A, to_member=B, timeline_before=1, duration_seconds=2.5, lost="none"
    )
    (entry,) = list_failovers(WANTED, after(failovers=(told,)))
    assert entry == told.model_copy(update={"timeline_after": 2})


@pytest.mark.parametrize("change", [{"to_member": A}, {"at": PROMOTED_AT - timedelta(days=1)}])
def test_an_entry_that_the_history_contradicts_is_told_anew(change: dict[str, Any]) -> None:
    """A shard that was made anew has timelines of the same numbers."""
    told = FailoverStatus(shard="s0", at=PROMOTED_AT, to_member=B, timeline_before=1, lost="none")
    (entry,) = list_failovers(WANTED, after(failovers=(told.model_copy(update=change),)))
    assert (entry.at, entry.to_member, entry.lost) == (PROMOTED_AT, B, None)


def test_an_entry_goes_with_the_history_that_it_came_from() -> None:
    told = FailoverStatus(shard="s0", at=PROMOTED_AT, to_member=B, timeline_before=1)
    assert list_failovers(WANTED, see(recorded=Recorded(failovers=(told,)))) == ()


def test_the_last_ten_are_told_newest_first() -> None:
    lines = tuple(line(number, B, PROMOTED_AT + timedelta(minutes=number)) for number in range(1, 15))
    told = list_failovers(WANTED, see(state(B, A, lines), shards=server(timeline=15)))
    assert [entry.timeline_before for entry in told] == list(range(14, 4, -1))


@pytest.mark.parametrize(
    ("leader", "is_a_ready", "cause"),
    [
        (knew(heard_at=HEARD_AT), True, "PrimaryLost"),  # it was found gone
        (knew(), False, "PrimaryLost"),  # it is not back yet
        (knew(heard_at=HEARD_AT, is_requested=True), True, "Switchover"),  # Patroni had been asked by somebody
        (knew(), True, None),  # too quick to be seen: who can say?
        (None, False, None),
    ],
)
def test_a_cause_is_told_only_where_it_was_seen(
    leader: LeaderStatus | None, is_a_ready: bool, cause: str | None
) -> None:
    (entry,) = list_failovers(WANTED, after(leader, is_a_ready))
    assert entry.cause == cause


def asked(**changes: Any) -> SwitchoverStatus:
    request = SwitchoverStatus(
        request="7f3a", shard="s0", from_member=A, to_member=B, timeline_before=1, phase=SwitchoverPhase.REQUESTED
    )
    return request.model_copy(update=changes)


def test_a_switchover_that_was_requested_is_one_and_is_measured_from_its_request() -> None:
    observed = replace(after(knew(), switchover=asked()), asked_at={"7f3a": PROMOTED_AT - timedelta(seconds=1.5)})
    (entry,) = list_failovers(WANTED, observed)
    assert (entry.cause, entry.duration_seconds, entry.lost) == ("Switchover", 1.5, "none")


@pytest.mark.parametrize("other", [{"shard": "s1"}, {"timeline_before": 2}, {"to_member": "flights-s0-2"}])
def test_a_request_for_another_change_explains_nothing(other: dict[str, Any]) -> None:
    (entry,) = list_failovers(WANTED, after(knew(heard_at=HEARD_AT), switchover=asked(**other)))
    assert entry.cause == "PrimaryLost"


def test_after_a_crash_the_time_of_the_request_is_unknown_and_so_is_the_duration() -> None:
    (entry,) = list_failovers(WANTED, after(knew(), switchover=asked()))
    assert (entry.cause, entry.duration_seconds) == ("Switchover", None)


def test_clocks_that_contradict_each_other_give_no_duration() -> None:
    (entry,) = list_failovers(WANTED, after(knew(heard_at=PROMOTED_AT + timedelta(seconds=9))))
    assert entry.duration_seconds is None


def test_a_member_that_leads_again_has_restarted_and_has_all_its_commits() -> None:
    observed = see(state(A, B, (line(1, A),)), shards=server(timeline=2), recorded=Recorded(leaders={"s0": knew()}))
    (entry,) = list_failovers(WANTED, observed)
    assert (entry.from_member, entry.to_member, entry.cause, entry.lost) == (A, A, "PrimaryRestarted", "none")


@pytest.mark.parametrize(
    ("leader", "is_synchronous", "words"),
    [
        (knew(), True, "none"),
        (knew(), False, "unknown: the shard is asynchronous"),
        (knew(synchronous_standby=None), True, "unknown: the operator last saw"),
        (knew(synchronous_standby="flights-s0-2"), True, "unknown: the operator last saw"),
    ],
)
def test_nothing_lost_is_said_only_of_a_standby_that_had_every_commit(
    leader: LeaderStatus, is_synchronous: bool, words: str
) -> None:
    observed = after(leader)
    objects = replace(observed.objects, settings={"s0": {"synchronous_mode": is_synchronous}})
    (entry,) = list_failovers(WANTED, replace(observed, objects=objects))
    assert str(entry.lost).startswith(words)


def test_the_leader_is_followed_with_its_synchronous_standby() -> None:
    assert follow_leader("s0", see(), Settled()) == knew()
    assert follow_leader("s0", see(state(A, "")), Settled()) == knew(synchronous_standby=None)


@pytest.mark.parametrize(
    ("patroni", "members"),
    [
        (state(), pods(a=None)),
        (state(), pods(a=pod(A, "primary", is_ready=False))),
        (state("", sync_leader=A), pods()),
    ],
)
def test_a_leader_that_is_gone_is_kept_with_its_last_sign_of_life(
    patroni: PatroniState, members: tuple[Pod, ...]
) -> None:
    assert follow_leader("s0", see(patroni, members, {}, Recorded(leaders={"s0": knew()})), Settled()) == knew(
        heard_at=HEARD_AT
    )


def test_a_leader_that_comes_back_is_not_gone_any_more() -> None:
    assert (
        follow_leader(
            "s0", see(recorded=Recorded(leaders={"s0": knew(heard_at=HEARD_AT, is_requested=True)})), Settled()
        )
        == knew()
    )


def test_a_wish_that_patroni_has_is_kept_until_it_is_done() -> None:
    assert follow_leader("s0", see(state(asked_from=A, asked_to=B)), Settled()) == knew(is_requested=True)
    gone = see(state(""), pods(a=None), {}, Recorded(leaders={"s0": knew(is_requested=True)}))
    assert follow_leader("s0", gone, Settled()) == knew(heard_at=HEARD_AT, is_requested=True)


def test_the_old_leader_is_kept_until_the_history_has_gone_beyond() -> None:
    """The successor's record is there at once, its line in the history a loop later."""
    recorded = Recorded(leaders={"s0": knew(heard_at=HEARD_AT)})
    between = see(state(B, ""), pods(a=None, b=pod(B, "primary")), server(timeline=2, standby=""), recorded)
    assert follow_leader("s0", between, Settled()) == knew(heard_at=HEARD_AT)
    assert list_failovers(WANTED, between) == ()
    assert follow_leader("s0", after(knew(heard_at=HEARD_AT)), Settled()) == LeaderStatus(
        member=B, timeline=2, synchronous_standby=A
    )


@pytest.mark.parametrize(
    "between",
    [
        see(state(B, ""), shards=server(timeline=2, standby="")),
        see(state(B, ""), shards={}),
    ],
)
def test_at_first_sight_a_successor_is_not_taken_for_the_leader_before(between: Observed) -> None:
    """A control for the rule above: else B would seem to have followed itself."""
    assert follow_leader("s0", between, Settled()) is None


def test_waits_for_a_history_that_is_behind_its_server() -> None:
    decision = wait_for_history(see(shards=server(timeline=2)))
    assert isinstance(decision, Wait)
    assert (decision.reason, "s0" in decision.message) == ("HistoryBehind", True)
    assert wait_for_history(see()) == Settled()
    assert (
        wait_for_history(replace(see(shards=server(timeline=2)), objects=replace(see().objects, patroni={})))
        == Settled()
    )


def watch(looks: list[Observed]) -> list[ShardedDatabaseStatus]:
    """Status after status, each look seeing what the one before has written."""
    told: dict[str, Any] = {}
    seen: list[ShardedDatabaseStatus] = []
    for look in looks:
        status = build_status(WANTED, replace(look, recorded=read_recorded(told)), Settled())
        told = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        seen.append(status)
    return seen


LOOKS = [
    see(),
    see(state(), pods(a=None), {}),  # the pod is gone; the record still names it
    see(state(B, ""), pods(a=None, b=pod(B, "primary")), server(timeline=2, standby="")),  # no history yet
    see(state(B, "", (FIRST,)), pods(a=None, b=pod(B, "primary")), server(timeline=2, standby="")),
    see(AFTER, pods(a=pod(A, "replica"), b=pod(B, "primary")), server(timeline=2, standby=A)),
]


def test_a_failover_is_told_once_the_history_tells_and_then_stays() -> None:
    told = [[tell(entry) for entry in status.failovers] for status in watch(LOOKS)]
    whole = [{**tell(list_failovers(WANTED, after(knew(heard_at=HEARD_AT)))[0])}]
    assert told == [[], [], [], whole, whole]


@pytest.mark.parametrize("missed", [[], [1], [2], [1, 2], [3]])
def test_looks_that_were_missed_cost_details_and_invent_none(missed: list[int]) -> None:
    looks = [look for place, look in enumerate(LOOKS) if place not in missed]
    (entry,) = [tell(entry) for entry in watch(looks)[-1].failovers]
    whole = tell(list_failovers(WANTED, after(knew(heard_at=HEARD_AT)))[0])
    assert entry.items() <= whole.items()
    assert entry.items() >= {"from": A, "to": B, "lost": "none"}.items()


def test_a_status_deleted_at_any_time_gives_back_what_the_history_tells() -> None:
    for place in range(len(LOOKS)):
        (entry,) = watch(LOOKS[place:])[-1].failovers
        whole = tell(list_failovers(WANTED, after(knew(heard_at=HEARD_AT)))[0])
        assert tell(entry).items() <= whole.items()
        assert {"shard", "at", "to", "timelineBefore", "timelineAfter"} <= set(tell(entry))


def test_the_same_look_gives_the_same_status() -> None:
    assert see().now == NOW
    first, second = watch([LOOKS[-1], LOOKS[-1]])
    assert first == second
