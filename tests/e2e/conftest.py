"""The cluster, the images and the operator are shared by all end-to-end tests, and left up for the next run.

Each module has a namespace of its own, made anew for each run and removed once the module has passed. What the demo
left is removed too: the release can watch one set of namespaces, and its pods would take processor time.
"""

from collections.abc import Iterator

import pytest

from demo.cluster import begin_deleting_namespace, create_namespace, delete_namespace
from demo.release import Images, install, load_images
from demo.story import NAMESPACE as DEMO

pytest.register_assert_rewrite("e2e.scene", "e2e.rounds")

NAMESPACES = (
    "e2e-move", "e2e-life", "e2e-input", "e2e-failover", "e2e-faults", "e2e-tls", "e2e-update", "e2e-redis", "e2e-zookeeper", "e2e-lock", "e2e-ids",
    "e2e-disk", "e2e-quorum",
)  # fmt: skip


@pytest.fixture(scope="session")
def images() -> Images:
    return load_images()


@pytest.fixture(scope="session")
def _operator(images: Images) -> None:
    """One release that watches every namespace of the tests: it grants the engine's pods their role in each."""
    for namespace in (*NAMESPACES, DEMO):
        begin_deleting_namespace(namespace)
    for namespace in (*NAMESPACES, DEMO):
        delete_namespace(namespace)
    for namespace in NAMESPACES:
        create_namespace(namespace)
    install(images, NAMESPACES)


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest, _operator: None) -> Iterator[str]:
    """The namespace that the module names in `NAMESPACE`."""
    name: str = request.module.NAMESPACE
    failed = request.session.testsfailed
    yield name
    if request.session.testsfailed == failed:
        begin_deleting_namespace(name)
