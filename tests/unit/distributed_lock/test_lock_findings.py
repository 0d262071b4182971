"""What is wrong with a lock space is told by a condition, and by a metric that an alert rests on."""

from dataclasses import replace
from typing import Any

import pytest

from caisson_operator.core.decisions import Settled, Wait
from caisson_operator.distributed_lock.decide import decide
from caisson_operator.distributed_lock.observed import Observed
from caisson_operator.distributed_lock.status import build_status
from caisson_operator.distributed_lock.wanted import Wanted
from caisson_operator.telemetry.lock_metrics import find_findings
from fakes.lock_spaces import SPACE, observed, wanted


def tell(asked: Wanted, seen: Observed) -> dict[str, Any]:
    return build_status(asked, seen, decide(asked, seen)).model_dump(by_alias=True, mode="json", exclude_none=True)


def stale_holder(asked: Wanted, seen: Observed) -> tuple[str, str, str]:
    status = build_status(asked, seen, Settled())
    (found,) = [each for each in status.conditions if each.type == "StaleHolder"]
    return str(found.status), found.reason, found.message


@pytest.mark.parametrize(
    ("max_hold", "status", "reason"),
    [
        (None, "False", "NoLimit"),
        ("90s", "False", "NoneSeen"),  # held for 90.5 s: within a lease of maxHold
        ("80s", "True", "HeldPastMaxHold"),
    ],
)
def test_a_holder_past_max_hold_and_a_lease_is_stale(max_hold: str | None, status: str, reason: str) -> None:
    asked = wanted(lease="10s", **({"maxHold": max_hold} if max_hold else {}))
    assert stale_holder(asked, observed(asked))[:2] == (status, reason)


def test_names_the_stale_holder_and_its_lock() -> None:
    asked = wanted(lease="10s", maxHold="1s")
    message = stale_holder(asked, observed(asked))[2]
    assert "invoice:42 by host/1/x" in message
    assert message.startswith("1 held")


def test_who_holds_is_not_known_where_the_store_was_not_seen() -> None:
    asked = wanted(maxHold="1s")
    assert stale_holder(asked, replace(observed(asked), space=None))[0] == "Unknown"


def test_a_space_that_serves_has_no_findings() -> None:
    asked = wanted()
    assert find_findings(tell(asked, observed(asked))) == {
        "ready": True, "backend_ready": True, "epoch_not_raised": False, "stale_holder": False,
    }  # fmt: skip


def test_a_store_that_is_away_and_an_epoch_that_is_not_raised_are_told_apart() -> None:
    asked = wanted("redis")
    away = replace(observed(asked), trouble=Wait("BackendUnreachable", "no answer", 5.0), space=None)
    low = replace(observed(asked), space=replace(SPACE, is_open=False))
    assert find_findings(tell(asked, away)) == {
        "ready": False, "backend_ready": False, "epoch_not_raised": False, "stale_holder": False,
    }  # fmt: skip
    assert find_findings(tell(asked, low)) == {
        "ready": False, "backend_ready": True, "epoch_not_raised": True, "stale_holder": False,
    }  # fmt: skip


def test_a_stale_holder_is_a_finding() -> None:
    asked = wanted(lease="10s", maxHold="1s")
    assert find_findings(tell(asked, observed(asked)))["stale_holder"]
