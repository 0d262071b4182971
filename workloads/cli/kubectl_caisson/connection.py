"""The real API server, by the user's kubeconfig: which cluster, which namespace, and requests as `kube.Kube` has them."""

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.config import kube_config

from .errors import Forbidden, KindMissing, KubeError, NoCluster, NotFound, Unreachable
from .kube import Kube, Manifest

FIELD_MANAGER = "kubectl-caisson"
REQUEST_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Target:
    """What the flags say; None is what the kubeconfig says."""

    kubeconfig: str | None
    context: str | None
    namespace: str | None


@dataclass(frozen=True, slots=True)
class Connection:
    kube: Kube
    namespace: str


def connect(target: Target) -> Connection:
    """Raises NoCluster. Nothing is sent yet, unless the user's credentials must be fetched."""
    configuration = client.Configuration()
    configuration.retries = False  # urllib3 would log each of its retries; one clear error is better
    try:
        loader = _open_kubeconfig(target)
        loader.load_and_set(configuration)
        own_namespace = loader.current_context["context"].get("namespace")
    # What the client raises for a file that is YAML and no kubeconfig is not of its own making.
    except (config.ConfigException, yaml.YAMLError, OSError, AttributeError, KeyError, TypeError) as error:
        where = target.kubeconfig or "KUBECONFIG, else ~/.kube/config"
        told = f"no cluster to talk to: {_one_line(error)} ({where}). See: kubectl config get-contexts"
        raise NoCluster(told) from error
    return Connection(RealKube(client.ApiClient(configuration)), target.namespace or own_namespace or "default")


def _open_kubeconfig(target: Target) -> kube_config.KubeConfigLoader:
    """As the client's own `load_kube_config` does it, which does not tell the context's namespace."""
    files = kube_config.KubeConfigMerger(target.kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    if files.config is None:
        raise config.ConfigException("there is no kubeconfig")
    return kube_config.KubeConfigLoader(
        files.config, active_context=target.context, config_base_path=None, config_persister=files.save_changes
    )


class RealKube:
    """Plain JSON by paths: the plugin must read whatever a newer operator writes, so there are no models."""

    def __init__(self, api_client: client.ApiClient) -> None:
        self._client = api_client

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Manifest:
        return _load(self._request("GET", path, query))

    def get_text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        return self._request("GET", path, query).decode(errors="replace")

    def merge_patch(self, path: str, change: Mapping[str, Any]) -> Manifest:
        query = {"fieldManager": FIELD_MANAGER}
        return _load(self._request("PATCH", path, query, change))

    def _request(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None = None
    ) -> bytes:
        # Some paths refuse a GET that names a type of content.
        content = {} if body is None else {"Content-Type": "application/merge-patch+json"}
        serialized = self._client.param_serialize(
            method,
            urllib.parse.quote(path),
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json, */*", **content},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*serialized, _request_timeout=REQUEST_TIMEOUT_SECONDS)
            data: bytes = response.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            host = self._client.configuration.host
            raise Unreachable(f"no answer from the API server {host}: {_one_line(error)}") from error
        if response.status >= 400:
            raise explain_refusal(response.status, data)
        return data


def explain_refusal(status: int, data: bytes) -> KubeError:
    """From what the API server answered: a Status object, or plain text where it does not know the path at all."""
    message = _message_of(data)
    if status == 404 and message is None:
        return KindMissing("this cluster does not know the kind: is Caisson installed (helm install caisson ...)?")
    told = message or data[:200].decode(errors="replace") or f"status {status}"
    if status == 401:
        return Forbidden("the API server does not accept your credentials: log in again, or choose another --context")
    if status == 403:
        return Forbidden(f"{_one_line(told)}. Ask an administrator for this right")
    return (NotFound if status == 404 else KubeError)(_one_line(told))


def _message_of(data: bytes) -> str | None:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return None


def _load(data: bytes) -> Manifest:
    try:
        loaded = json.loads(data)
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise KubeError(f"this is no API server of Kubernetes: it answered {data[:80].decode(errors='replace')!r}")
    return loaded


def _one_line(told: object) -> str:
    return " ".join(str(told).split())
