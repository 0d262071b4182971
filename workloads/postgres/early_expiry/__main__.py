"""Composition root: the only reader of the environment. `python -m early_expiry`, in a container beside the member's."""

import asyncio
import os
from collections.abc import Mapping

from .agent import Agent
from .effects import Hands
from .kube import Kube
from .observe import AUTHORITY, Eyes, build_members
from .report import Report


def build_agent(environment: Mapping[str, str]) -> Agent:
    kube = Kube.in_cluster(environment)
    name, scope = environment["PATRONI_NAME"], environment["PATRONI_SCOPE"]
    members = build_members(AUTHORITY, f"{scope}.{environment['PATRONI_KUBERNETES_NAMESPACE']}.svc")
    return Agent(
        name=name,
        eyes=Eyes(kube, scope, own_address=environment["PATRONI_KUBERNETES_POD_IP"], members=members),
        hands=Hands(kube, scope, name),
        report=Report(scope=scope, member=name),
    )


if __name__ == "__main__":
    asyncio.run(build_agent(os.environ).run())
