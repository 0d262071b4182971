"""One kube-apiserver for all tests of this folder; each test that makes objects has a namespace of its own."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.apiserver import REPOSITORY, ApiServer, tools_environment

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("apiserver")
    script = REPOSITORY / "tests/kind/apiserver"
    started = subprocess.run([script, "start", folder], check=True, stdout=subprocess.PIPE, text=True, timeout=900)
    yield ApiServer(Path(started.stdout.strip()), tools_environment())
    subprocess.run([script, "stop", folder], check=True)


@pytest.fixture(scope="session")
def server(bare_server: ApiServer) -> ApiServer:
    """With the definitions in it."""
    bare_server.kubectl("apply", "-f", "crds/")
    bare_server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    return bare_server


@pytest.fixture
def namespace(server: ApiServer) -> str:
    name = f"test-{next(_numbers)}"
    server.kubectl("create", "namespace", name)
    return name
