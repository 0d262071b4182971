"""Writes the CustomResourceDefinitions as files: `python -m caisson_operator.api.generate FOLDER...`."""

import sys
from pathlib import Path

import yaml

from .definitions import all_definitions

_HEADER = "# Generated from operator/caisson_operator/api by `make generate`; do not edit.\n"


class _PlainDumper(yaml.SafeDumper):
    """Writes a part that stands in several places out in each, without YAML's anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def render_definitions() -> dict[str, str]:
    """File name -> content, for writing and for asking whether what is written is up to date."""
    return {
        f"{definition['metadata']['name']}.yaml": _HEADER
        + yaml.dump(definition, Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)
        for definition in all_definitions()
    }


def main(folders: list[str]) -> int:
    if not folders:
        print("usage: python -m caisson_operator.api.generate FOLDER...", file=sys.stderr)
        return 2
    for folder in map(Path, folders):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in render_definitions().items():
            (folder / name).write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
