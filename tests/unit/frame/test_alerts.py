"""Every alert of the chart rests on a metric that exists, and has a row in the runbook, whose links lead somewhere."""

import re
from pathlib import Path

import pytest

from caisson_operator.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[3]
RULES = (ROOT / "charts/caisson/templates/prometheus-rule.yaml").read_text()
RUNBOOKS = ROOT / "docs/runbooks"
ALERTS = re.findall(r"alert: (\w+)", RULES)


def test_alerts_rest_on_metrics_that_exist() -> None:
    expressions = "".join(re.findall(r"expr:(.*?)\n +(?:for|labels):", RULES, re.DOTALL))
    named = set(re.findall(r"caisson_\w+", expressions))
    exist = {name for family in Metrics().registry.collect() for name in (family.name, f"{family.name}_total")}
    assert named <= exist
    assert len(named) >= 15


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_runbook(alert: str) -> None:
    rows = [line for line in (RUNBOOKS / "README.md").read_text().splitlines() if line.startswith(f"| `{alert}` |")]
    assert len(rows) == 1
    for page, anchor in re.findall(r"\]\(([\w-]+\.md)#(\w+)\)", rows[0]):
        headings = re.findall(r"^## (\w+)$", (RUNBOOKS / page).read_text(), re.MULTILINE)
        assert anchor in [heading.lower() for heading in headings]
