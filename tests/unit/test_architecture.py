"""What the architecture says of the tree and no import contract can: who is under the contracts, and what must not be there."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAYS_PURE = re.compile(r"\bPure(?:[.;]|: [a-z])")  # "Pure: `names`" speaks of others
PLACES = ("operator", "workloads/sdk", "workloads/cli", "workloads/postgres", "workloads/redis", "workloads/zookeeper")


def read_settings() -> dict[str, object]:
    settings: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return settings


def pure_modules() -> set[str]:
    """Those of our packages whose docstring says so."""
    found = set()
    for place in PLACES:
        for path in (ROOT / place).rglob("*.py"):
            if SAYS_PURE.search(ast.get_docstring(ast.parse(path.read_text())) or ""):
                found.add(name_module(path.relative_to(ROOT / place)))
    return found


def name_module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def is_held(module: str, sources: set[str]) -> bool:
    """A contract on a package holds all that is in it."""
    return any(module == source or module.startswith(f"{source}.") for source in sources)


def test_a_module_that_says_it_is_pure_is_under_a_contract_that_forbids_it_the_rest() -> None:
    contracts = read_settings()["contracts"]
    assert isinstance(contracts, list)
    forbidden = [contract for contract in contracts if contract["type"] == "forbidden"]
    sources = {
        name for contract in forbidden if "time" in contract["forbidden_modules"] for name in contract["source_modules"]
    }
    pure = pure_modules()
    assert len(pure) > 80
    assert [module for module in sorted(pure) if not is_held(module, sources)] == []


def test_operator_is_a_build_root_and_no_package() -> None:
    """As one it would shadow the standard library's `operator`."""
    assert (ROOT / "operator/caisson_operator/__init__.py").exists()
    assert not (ROOT / "operator/__init__.py").exists()
