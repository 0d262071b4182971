"""Every alert of the chart rests on a metric that exists, and has a page among the runbooks, to which it leads."""

import re
from pathlib import Path

import pytest

from caisson_operator.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[3]
RULES = (ROOT / "charts/caisson/templates/prometheus-rule.yaml").read_text()
RUNBOOKS = ROOT / "docs/runbooks"
BLOCKS = dict(re.findall(r"- alert: (\w+)\n(.*?)(?=\n +- alert: |\Z)", RULES, re.DOTALL))
SECTIONS = ["What it means", "What to look at", "What to do", "When it goes away"]
PAGES = sorted(RUNBOOKS.glob("*.md"))


def expression_of(alert: str) -> str:
    (found,) = re.findall(r"expr:(.*?)\n +(?:for|labels):", BLOCKS[alert], re.DOTALL)
    return str(found)


def anchors_of(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_alerts_rest_on_metrics_that_exist() -> None:
    named = {name for alert in BLOCKS for name in re.findall(r"caisson_\w+", expression_of(alert))}
    exist = {name for family in Metrics().registry.collect() for name in (family.name, f"{family.name}_total")}
    assert named <= exist
    assert len(named) >= 15


@pytest.mark.parametrize(
    ("alert", "gauge"),
    [
        ("CaissonWritesWaiting", "caisson_writes_waiting"),
        ("CaissonMemberLost", "caisson_member_lost"),
        ("CaissonBackingMemberLost", "caisson_backing_member_lost"),
        ("CaissonFailoverHappened", "caisson_failover_last_time_seconds"),
    ],
)
def test_what_the_status_tells_is_alerted_on_by_its_gauge(alert: str, gauge: str) -> None:
    assert gauge in expression_of(alert)


@pytest.mark.parametrize("alert", BLOCKS)
def test_an_alert_has_a_page_that_says_what_to_do(alert: str) -> None:
    text = (RUNBOOKS / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    assert sections[1::2] == SECTIONS
    assert all(len(section.strip()) > 20 for section in sections[2::2])


@pytest.mark.parametrize("alert", BLOCKS)
def test_an_alert_leads_to_its_page(alert: str) -> None:
    assert f"runbook_url: {{{{ $runbooks }}}}/{alert}.md" in BLOCKS[alert]
    rows = re.findall(
        rf"^\| \[`{alert}`\]\({alert}\.md\) \| (\w+) \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE
    )
    assert rows == re.findall(r"labels: \{severity: (\w+)\}", BLOCKS[alert])


def test_there_is_no_page_without_an_alert() -> None:
    assert {page.stem for page in PAGES} == {*BLOCKS, "README"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for path, anchor in re.findall(r"\]\(([\w./-]+\.md)(?:#([\w-]+))?\)", page.read_text()):
        target = (page.parent / path).resolve()
        assert target.is_file(), path
        assert not anchor or anchor in anchors_of(target), f"{path}#{anchor}"
