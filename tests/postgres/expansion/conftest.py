"""The fixture of most tests here: a database of one shard, and an empty cluster for it to grow into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres.expansion.stage import Stage, set_stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with set_stage(tmp_path) as stage:
        yield stage
