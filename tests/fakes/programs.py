"""Programs of the engine's image, which are in no package: by their path."""

import importlib.util
from pathlib import Path
from types import ModuleType


def load_program(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / f"workloads/postgres/{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
