"""A switchover on request: refused with its reason, or run exactly once, whatever dies meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from caisson_operator.api.failover_status import SwitchoverPhase, SwitchoverStatus
from caisson_operator.core.decisions import Decision, Plan, Settled, Wait
from caisson_operator.core.layout import SwitchGroup
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.observed import Claim, Expansion, GroupRecord, Observed, Shard, Standby
from caisson_operator.sharded_database.recorded import Recorded, read_recorded
from caisson_operator.sharded_database.status import build_status
from caisson_operator.sharded_database.switchover import (
    REFUSED_BY_PATRONI,
    UNFINISHED,
    Request,
    decide_switchover,
    follow_switchover,
    read_request,
)
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import NOW, build_wanted
from fakes.patroni import A, B, C, line, pod, pods, see, server, state

NOTHING = Settled()


def asking(text: str | None, **spec: Any) -> Wanted:
    return replace(build_wanted(1, **spec), switchover=text)


WANTED = asking("s0/any/7f3a")


def judge(wanted: Wanted = WANTED, observed: Observed | None = None, decision: Decision = NOTHING) -> SwitchoverStatus:
    status = follow_switchover(wanted, observed or see(), decision)
    assert status is not None
    return status


def written(**changes: Any) -> Recorded:
    """What the status says of the request once it has been written down."""
    return Recorded(switchover=judge().model_copy(update=changes))


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("s0/any/7f3a", Request("s0", "any", "7f3a")),
        (" s12/flights-s12-0/before-drain.2026 ", Request("s12", "flights-s12-0", "before-drain.2026")),
        *[
            (text, None)
            for text in ("", "s0", "s0/any", "s0/any/", "/any/1", "s0//1", "s0/any/1/2", "s0/any/a b", "S0/any/1")
        ],
        ("s0/any/" + "x" * 64, None),
    ],
)
def test_reads_what_the_annotation_asks_for(text: str, request_: Request | None) -> None:
    assert read_request(text) == request_


@pytest.mark.parametrize("text", ["", "s0", "now please", "s0/any/" + "x" * 300])
def test_an_annotation_of_another_form_is_refused_with_the_form_that_is_wanted(text: str) -> None:
    status = judge(asking(text))
    assert (status.phase, status.shard, status.at) == (SwitchoverPhase.REFUSED, None, NOW)
    assert "SHARD/MEMBER/REQUEST, such as s0/any/7f3a" in str(status.message)
    assert decide_switchover(asking(text), see()) == Settled()
    later = replace(see(recorded=Recorded(switchover=status)), now=NOW.replace(hour=13))
    assert judge(asking(text), later) == status, "told once"


def test_a_corrected_annotation_is_run_even_if_the_wrong_one_was_only_the_id() -> None:
    refused = judge(asking("7f3a"))
    assert judge(WANTED, see(recorded=Recorded(switchover=refused))).phase is SwitchoverPhase.REQUESTED


def test_without_the_annotation_nothing_is_asked_and_the_last_answer_stays() -> None:
    assert follow_switchover(asking(None), see(), NOTHING) is None
    done = written(phase=SwitchoverPhase.DONE)
    assert follow_switchover(asking(None), see(recorded=done), NOTHING) == done.switchover


def test_a_request_is_written_down_with_who_leads_and_on_which_timeline_before_it_is_begun() -> None:
    status = judge(observed=see(shards=server(timeline=5)))
    assert (status.request, status.shard, status.phase) == ("7f3a", "s0", SwitchoverPhase.REQUESTED)
    assert (status.from_member, status.to_member, status.timeline_before) == (A, B, 5)
    decision = decide_switchover(WANTED, see())
    assert isinstance(decision, Wait)
    assert decision.reason == "SwitchoverRequested"


def test_what_is_written_down_is_done_with_a_checkpoint_first() -> None:
    decision = decide_switchover(WANTED, see(recorded=written()))
    assert isinstance(decision, Plan)
    assert decision.steps == (steps.Checkpoint("s0"), steps.SwitchOver("s0", A, B, "7f3a"))


def test_a_switchover_waits_for_nothing_but_a_fence_and_is_the_database_s_decision() -> None:
    assert isinstance(decide(WANTED, see(recorded=written())), Plan)
    broken = replace(see(recorded=written()), objects=replace(see().objects, contents={}))
    decision = decide(WANTED, broken)
    assert isinstance(decision, Plan)
    assert isinstance(decision.steps[-1], steps.SwitchOver)


def streaming(**standbys: Standby) -> dict[str, Shard]:
    return server(standbys={name.replace("_", "-"): standby for name, standby in standbys.items()})


THREE = pods(c=pod(C, "replica"))
LAGGING = streaming(flights_s0_1=Standby(True, 1_048_577))
REFUSALS = [
    ("s7/any/1", see(), "there is no shard s7; there are s0"),
    ("s0/flights-s0-7/1", see(), f"s0 has no member flights-s0-7; its members are {A}, {B}"),
    (f"s0/{A}/1", see(), f"{A} leads s0 already"),
    (
        f"s0/{B}/1",
        see(members=pods(b=pod(B, "replica", position=0)), shards=streaming()),
        f"{B} is no standby of s0 that could lead: its lag is not known, it does not stream; see its pod and its log",
    ),
    (
        f"s0/{B}/1",
        see(members=pods(b=pod(B, "replica", position=9_918_080)), shards=streaming()),
        f"{B} is no standby of s0 that could lead: it was 81920 bytes behind by what it told last, and does not stream",
    ),
    (
        f"s0/{B}/1",
        see(state(A, B, position=0), shards=streaming()),
        "its lag is not known, it does not stream",
    ),
    ("s0/any/1", see(shards=streaming()), "no member streams from the primary of s0"),
    (
        f"s0/{C}/1",
        see(members=THREE, shards=streaming(flights_s0_1=Standby(True, 0), flights_s0_2=Standby(False, 70))),
        f"{C} is not the synchronous standby of s0, and may lack commits: it is 70 bytes behind; the synchronous one is {B}",
    ),
    (
        "s0/any/1",
        see(state(A, "")),
        f"{B} is not the synchronous standby of s0, and may lack commits: it is 0 bytes behind; the synchronous one is nobody yet",
    ),
    ("s0/any/1", see(shards=LAGGING), f"{B} is 1048577 bytes behind (at most 1048576)"),
    ("s0/any/1", see(state(A, "", sync_leader=""), shards=LAGGING, settings={}), f"{B} is 1048577 bytes behind"),
    ("s0/any/1", see(shards={}), "s0 has no healthy primary that could hand over"),
    (
        "s0/any/1",
        replace(see(shards={}), unreachable={"s0": "refused"}),
        "hand over (refused); Patroni fails over by itself",
    ),
    ("s0/any/1", see(state("", sync_leader=A)), "s0 has no healthy primary"),
    ("s0/any/1", see(members=pods(a=pod(A, is_ready=False))), "s0 has no healthy primary"),
]


@pytest.mark.parametrize(("text", "observed", "words"), REFUSALS)
def test_refuses_what_cannot_be_done_and_says_why(text: str, observed: Observed, words: str) -> None:
    status = judge(asking(text), observed)
    assert status.phase is SwitchoverPhase.REFUSED
    assert words in str(status.message)
    assert decide_switchover(asking(text), observed) == Settled()


def fenced(number_of_shards: int = 2, **server_changes: Any) -> tuple[Wanted, Observed]:
    """s0 gives buckets to s1; the fence of the first switch group is committed and its target not open."""
    wanted = replace(build_wanted(number_of_shards), switchover="s0/any/7f3a")
    group = SwitchGroup(1, 1, "s0", "s1", wanted.groups["aircraft"], (0, 1))
    running = Expansion(1, (group,), 1, 2, is_finished=False, started_at=NOW)
    found = server(expansion=running, **server_changes)
    moved = {b: Claim("s1", 2) for b in wanted.groups["aircraft"].all_buckets() if b.number in group.buckets}
    source = replace(found["s0"], shard_map={**found["s0"].shard_map, **moved})
    target = replace(Shard("s1", 1, True), records={(1, 1): GroupRecord(1, 1, NOW, NOW, True, 1, True)})
    return wanted, see(shards={"s0": source, "s1": target}, wanted=wanted)


def test_refuses_while_a_switch_group_of_the_shard_is_inside_its_fence() -> None:
    wanted, observed = fenced()
    status = judge(wanted, observed)
    assert status.phase is SwitchoverPhase.REFUSED
    assert "switch group 1 of s0 is inside its fence" in str(status.message)


def test_a_fence_comes_before_a_switchover_that_is_written_down() -> None:
    wanted, observed = fenced()
    decision = decide(wanted, replace(observed, recorded=written()))
    assert isinstance(decision, Plan)
    assert decision.reason == "RollingForward"


def test_any_is_the_synchronous_standby_or_else_the_one_that_has_replayed_most() -> None:
    found = streaming(flights_s0_2=Standby(False, 0), flights_s0_1=Standby(True, 9))
    assert judge(observed=see(members=THREE, shards=found)).to_member == B
    found = streaming(flights_s0_1=Standby(False, 9), flights_s0_2=Standby(False, 5), somebody=Standby(True, 0))
    asynchronous = see(state(A, "", sync_leader=""), THREE, found, settings={})
    assert judge(observed=asynchronous).to_member == C


def test_what_was_right_when_it_was_written_down_is_looked_at_again_before_it_is_begun() -> None:
    observed = see(shards=LAGGING, recorded=written())
    assert judge(observed=observed).phase is SwitchoverPhase.REFUSED
    assert decide_switchover(WANTED, observed) == Settled()


@pytest.mark.parametrize("text", [None, "s0/any/other", "nonsense"])
def test_a_request_that_was_taken_away_before_it_began_is_not_begun(text: str | None) -> None:
    status = judge(asking(text), see(recorded=written()))
    assert (status.request, status.phase) == ("7f3a", SwitchoverPhase.REFUSED)
    assert "taken away" in str(status.message)
    assert decide_switchover(asking(text), see(recorded=written())) == Settled()


@pytest.mark.parametrize("phase", [SwitchoverPhase.DONE, SwitchoverPhase.REFUSED, SwitchoverPhase.FAILED])
def test_a_request_that_is_over_is_never_run_again(phase: SwitchoverPhase) -> None:
    recorded = written(phase=phase, message="before")
    for observed in (see(recorded=recorded), see(state(B, A), shards=server(9, A), recorded=recorded)):
        assert judge(observed=observed) == recorded.switchover
        assert decide_switchover(WANTED, observed) == Settled()


AFTER = state(B, A, (line(1, B),))
MOVED = server(timeline=2, standby=A)


@pytest.mark.parametrize("phase", [SwitchoverPhase.REQUESTED, SwitchoverPhase.RUNNING])
@pytest.mark.parametrize("patroni", [AFTER, state(B, "")], ids=["history told", "history behind"])
def test_done_is_seen_from_the_shard_itself_even_after_a_crash(phase: SwitchoverPhase, patroni: Any) -> None:
    observed = see(patroni, pods(a=pod(A), b=pod(B, "primary")), MOVED, written(phase=phase))
    status = judge(observed=observed)
    assert (status.phase, status.from_member, status.to_member) == (SwitchoverPhase.DONE, A, B)
    assert decide_switchover(WANTED, observed) == Settled()


def test_done_stays_done_where_the_lead_has_come_back_since() -> None:
    """A second switchover for the same request would be the harm: who leads now is not who was promoted then."""
    lines = (line(1, B), line(2, A))
    observed = see(state(A, B, lines), shards=server(timeline=3), recorded=written())
    assert judge(observed=observed).phase is SwitchoverPhase.DONE
    assert decide_switchover(WANTED, observed) == Settled()


def test_another_member_that_was_promoted_is_a_failure() -> None:
    observed = see(state(C, B, (line(1, C),)), THREE, server(2), written(phase=SwitchoverPhase.RUNNING))
    status = judge(observed=observed)
    assert (status.phase, str(status.message)) == (SwitchoverPhase.FAILED, f"{C} was promoted, not {B}")


UNDER_WAY = [
    see(state(A, B, asked_from=A, asked_to=B)),  # Patroni has the request
    see(state("", sync_leader=A, asked_from=A, asked_to=B), shards={}),  # nobody leads
    see(state("", sync_leader=A), shards={}),
    see(state(B, "", asked_from=A, asked_to=B), shards={}),  # it leads, and cannot be read yet
    see(state(A, "", sync_leader=B), shards=MOVED),  # it is on a later timeline, and its record is not there yet
]


@pytest.mark.parametrize("phase", [SwitchoverPhase.REQUESTED, SwitchoverPhase.RUNNING])
@pytest.mark.parametrize("observed", UNDER_WAY)
def test_what_is_under_way_is_waited_for_and_never_asked_a_second_time(
    phase: SwitchoverPhase, observed: Observed
) -> None:
    observed = replace(observed, recorded=written(phase=phase))
    assert judge(observed=observed).phase is SwitchoverPhase.RUNNING
    decision = decide_switchover(WANTED, observed)
    assert isinstance(decision, Wait)
    assert decision.reason == "SwitchingOver"


def test_a_request_that_patroni_gave_up_has_failed() -> None:
    recorded = written(phase=SwitchoverPhase.RUNNING, message="Patroni of x said 503 Switchover failed")
    status = judge(observed=see(recorded=recorded))
    assert status.phase is SwitchoverPhase.FAILED
    assert f"{A} leads as before" in str(status.message)
    assert "503 Switchover failed" in str(status.message)


def test_what_patroni_refused_is_refused_in_its_words() -> None:
    answer = Wait(REFUSED_BY_PATRONI, "candidate name does not match with sync_standby", 1)
    status = judge(observed=see(recorded=written()), decision=answer)
    assert (status.phase, status.message) == (
        SwitchoverPhase.REFUSED,
        "candidate name does not match with sync_standby",
    )


def test_a_refusal_counts_only_while_nothing_has_moved() -> None:
    """A second request in the moment of the change is refused, since its leader leads no more: the first was done."""
    answer = Wait(REFUSED_BY_PATRONI, "leader name does not match", 1)
    done = see(AFTER, shards=MOVED, recorded=written())
    assert judge(observed=done, decision=answer).phase is SwitchoverPhase.DONE
    between = see(state("", sync_leader=A), shards={}, recorded=written())
    assert judge(observed=between, decision=answer).phase is SwitchoverPhase.RUNNING


def test_an_answer_that_leaves_it_open_is_followed_up() -> None:
    answer = Wait(UNFINISHED, "Patroni said 503 Switchover status unknown", 1)
    status = judge(observed=see(recorded=written()), decision=answer)
    assert (status.phase, status.message) == (SwitchoverPhase.RUNNING, answer.message)


def test_a_wait_for_something_else_leaves_the_request_where_it_is() -> None:
    answer = Wait("CheckpointHeldUp", "slow disk", 1)
    assert judge(observed=see(recorded=written()), decision=answer).phase is SwitchoverPhase.REQUESTED


@dataclass
class Cluster:
    """Patroni and its shard, as far as a switchover goes: takes a request only from the leader that it names."""

    leader: str = A
    promoted: list[str] = field(default_factory=list)
    asked: int = 0

    def switch(self, step: steps.SwitchOver) -> str:
        """What Patroni answers; empty if it was done."""
        self.asked += 1
        if step.leader != self.leader:
            return "leader name does not match"
        self.leader = step.member
        self.promoted.append(step.member)
        return ""

    def look(self, told: Mapping[str, Any]) -> Observed:
        lines = tuple(line(number, name) for number, name in enumerate(self.promoted, start=1))
        other = B if self.leader == A else A
        found = server(timeline=len(lines) + 1, standby=other)
        return see(state(self.leader, other, lines), shards=found, recorded=read_recorded(told))


def reconcile(cluster: Cluster, told: Mapping[str, Any], dies: str = "", wanted: Wanted = WANTED) -> Mapping[str, Any]:
    """One reconcile as the frame runs it; the operator may die `before` or `after` it asked Patroni."""
    observed = cluster.look(told)
    decision = decide_switchover(wanted, observed)
    if isinstance(decision, Plan):
        if dies == "before":
            return told
        step = decision.steps[-1]
        assert isinstance(step, steps.SwitchOver)
        answer = cluster.switch(step)
        if dies == "after":
            return told
        decision = Wait(REFUSED_BY_PATRONI, answer, 1) if answer else decision
        observed = cluster.look(told)
    written: Mapping[str, Any] = build_status(wanted, observed, decision).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    return written


@pytest.mark.parametrize("dies", ["", "before", "after"])
def test_a_request_is_run_exactly_once_whenever_the_operator_dies(dies: str) -> None:
    cluster = Cluster()
    told: Mapping[str, Any] = {}
    told = reconcile(cluster, told)
    told = reconcile(cluster, told, dies)
    for _ in range(3):
        told = reconcile(cluster, told)
    assert cluster.promoted == [B]
    assert (told["switchover"]["phase"], told["failovers"][0]["cause"]) == ("Done", "Switchover")


def test_control_without_the_written_request_a_crash_switches_twice() -> None:
    """The guard off: what was written down before Patroni was asked is lost with the crash."""
    cluster = Cluster()
    told: Mapping[str, Any] = {}
    told = reconcile(cluster, told)
    reconcile(cluster, told, dies="after")
    forgotten: Mapping[str, Any] = {}
    for _ in range(3):
        forgotten = reconcile(cluster, forgotten)
    assert cluster.promoted == [B, A]


def test_every_new_id_is_run_once() -> None:
    cluster = Cluster()
    told: Mapping[str, Any] = {}
    for text in ("s0/any/1", "s0/any/2"):
        for _ in range(4):
            told = reconcile(cluster, told, wanted=asking(text))
    assert cluster.promoted == [B, A]
    assert cluster.asked == 2
    assert [entry["to"] for entry in told["failovers"]] == [A, B]
