"""Kubernetes objects are the same at each of ten thousand looks: they are built once for each number of shards."""

from typing import Any

import pytest

from caisson_operator.core.layout import Login
from caisson_operator.sharded_database import provisioning
from caisson_operator.sharded_database.observed import Objects
from caisson_operator.sharded_database.wanted import Wanted

from .leader import provisioned


@pytest.fixture(autouse=True, scope="session")
def built_once() -> Any:
    build, known = provisioning.build_objects, {}

    def build_once(wanted: Wanted, objects: Objects, login: Login) -> tuple[dict[str, Any], ...]:
        if wanted.shards not in known:
            known[wanted.shards] = build(wanted, objects, login)
        return known[wanted.shards]

    with pytest.MonkeyPatch.context() as patch:
        for count in range(1, 5):
            provisioned(count)
        patch.setattr(provisioning, "build_objects", build_once)
        yield
