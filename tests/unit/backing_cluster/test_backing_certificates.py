"""What the steps that make keys leave behind is what was decided for."""

from datetime import UTC, datetime

import pytest

from caisson_operator.backing_cluster.act_on_certificates import create_authority, issue
from caisson_operator.backing_cluster.certificates import decide_certificates
from caisson_operator.backing_cluster.observed import Observed
from caisson_operator.core.decisions import Settled
from caisson_operator.effects.key_secrets import read_authority, read_certificate, read_key_pair
from fakes.backing_clusters import want
from fakes.certificates import SecretStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.asyncio
@pytest.mark.parametrize("type", ["redis", "zookeeper"])
async def test_after_both_steps_nothing_is_due(type: str) -> None:
    kube, wanted = SecretStore(), want(type)
    for _ in range(2):  # safe to repeat
        await create_authority(kube, wanted, NOW)  # type: ignore[arg-type]
        made = kube.secret("cache-authority")
        await issue(kube, wanted, NOW)  # type: ignore[arg-type]
    assert kube.secret("cache-authority") is made
    served = kube.secret("cache-tls")
    seen = Observed(NOW, authority=read_authority(made), certificate=read_certificate(served))
    assert decide_certificates(wanted, seen) == Settled()
    assert "ownerReferences" not in made["metadata"]
    assert read_key_pair(made).key not in str(served)


@pytest.mark.asyncio
async def test_without_the_authority_nothing_is_issued() -> None:
    with pytest.raises(LookupError, match="cache-authority has gone"):
        await issue(SecretStore(), want(), NOW)  # type: ignore[arg-type]
