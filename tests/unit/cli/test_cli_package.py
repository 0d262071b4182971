"""The package as it is installed: what its console script names is there."""

import tomllib
from importlib import import_module
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "workloads/cli"


def test_the_console_script_is_what_kubectl_looks_for_and_can_be_called() -> None:
    scripts = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["kubectl-caisson"].partition(":")
    assert callable(getattr(import_module(module), function))
