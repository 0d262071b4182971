from caisson_operator.core.conditions import Transition, keep_transition_times, observed_transitions
from caisson_operator.core.failures import failure_status

READY = {"type": "Ready", "status": "True", "reason": "AllThere", "message": "m"}
NOT_READY = {"type": "Ready", "status": "False", "reason": "Starting", "message": "m"}
OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"


def test_a_transition_is_a_change_of_status_or_reason_and_not_of_message() -> None:
    assert observed_transitions([NOT_READY], [READY]) == [Transition("Ready", "True", "AllThere", "m")]
    assert observed_transitions([READY], [{**READY, "reason": "Other"}]) == [Transition("Ready", "True", "Other", "m")]
    assert observed_transitions([READY], [{**READY, "message": "other"}]) == []


def test_a_first_false_is_no_news_and_a_first_true_is() -> None:
    assert observed_transitions([], [NOT_READY]) == []
    assert len(observed_transitions([], [READY])) == 1


def test_the_transition_time_stays_while_the_status_does() -> None:
    before = [{**READY, "lastTransitionTime": OLD}]
    assert keep_transition_times(before, [{**READY, "reason": "Other"}], NEW)[0]["lastTransitionTime"] == OLD
    assert keep_transition_times(before, [NOT_READY], NEW)[0]["lastTransitionTime"] == NEW
    assert keep_transition_times([], [READY], NEW)[0]["lastTransitionTime"] == NEW


def test_only_bad_news_is_a_warning() -> None:
    assert Transition("Degraded", "True", "MemberLost", "").is_warning
    assert not Transition("Degraded", "False", "AllThere", "").is_warning
    assert Transition("Ready", "False", "ReconcileFailed", "").is_warning
    assert not Transition("Ready", "False", "Provisioning", "").is_warning


def test_a_failed_reconcile_says_nothing_against_a_database_that_was_ready() -> None:
    status = failure_status({"status": {"phase": "Ready", "conditions": [READY]}}, "ReconcileFailed", "no route")
    found = {condition["type"]: condition for condition in status["conditions"]}
    assert found["Ready"] == READY
    assert (found["Degraded"]["status"], found["Degraded"]["message"]) == ("True", "no route")
    assert status["phase"] == "Ready"


def test_a_failed_reconcile_is_the_reason_why_a_database_is_not_ready() -> None:
    found = {c["type"]: c for c in failure_status({}, "SpecInvalid", "spec.x: no")["conditions"]}
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == ("False", "SpecInvalid")


def test_an_expansion_that_runs_says_what_fails_and_one_that_is_over_stays_as_it_was() -> None:
    began = {"startedAt": "2026-01-01T11:00:00Z"}
    running = {"phase": "Switching", "message": "switching group 1", **began}
    refused = {"phase": "Failed", "message": "set spec.durability"}
    over = {"phase": "Completed", "message": "completed", "finishedAt": "2026-01-01T12:00:00Z", **began}

    def fail(expansion: dict[str, str]) -> object:
        return failure_status({"status": {"expansion": expansion}}, "ReconcileFailed", "23503")["expansion"]

    assert fail(running) == {**running, "message": "ReconcileFailed: 23503"}
    assert fail(over) == over
    assert fail(refused) == refused, "what was refused before it began keeps its reason"
    assert "expansion" not in failure_status({}, "ReconcileFailed", "23503")
