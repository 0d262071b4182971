"""One PostgreSQL for all tests of allocators; each has a space of its own."""

from collections.abc import Iterator
from itertools import count

import pytest

from postgres.clusters import Cluster, running_clusters

_numbers = count()


@pytest.fixture(scope="package")
def server() -> Iterator[Cluster]:
    with running_clusters(1) as (cluster,):
        yield cluster


@pytest.fixture
def space() -> str:
    return f"demo/orders-{next(_numbers)}"
