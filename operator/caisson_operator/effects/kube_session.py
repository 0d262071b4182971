"""Opens the connection to the API server: as a pod of the cluster, or with a person's kubeconfig."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from .kube import KubeApi


def is_in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ


@asynccontextmanager
async def open_kube_api(kubeconfig: str | None = None) -> AsyncIterator[KubeApi]:
    """`kubeconfig` is a file to use instead of what the surroundings offer."""
    configuration = Configuration()
    if kubeconfig is None and is_in_cluster():
        config.load_incluster_config(client_configuration=configuration)
    else:
        await config.load_kube_config(kubeconfig, client_configuration=configuration)
    async with ApiClient(configuration) as client:
        yield KubeApi(client)
