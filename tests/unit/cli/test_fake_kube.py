"""The API server in memory keeps what the real one keeps (tests/api/test_cli.py)."""

import pytest

from fakes.kube_contract import KubeContract, Server
from fakes.kube_objects import FakeKube


class TestInMemory(KubeContract):
    @pytest.fixture
    def there(self) -> Server:
        kube = FakeKube()
        return Server(kube, kube.put, "demo")
