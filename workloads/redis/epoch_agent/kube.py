"""The little of the API server that the agent needs: read an object, and replace it if it still has the version that was read.

KubeError        nothing is known of what the API server has done
  Conflict       it has not done it: the object has changed since it was read
"""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CALL_SECONDS = 3.0

Manifest = dict[str, Any]


class KubeError(Exception):
    pass


class Conflict(KubeError):
    pass


@dataclass(frozen=True, slots=True)
class Kube:
    """One namespace. The token is read for every call: Kubernetes replaces it every hour or so."""

    base: str
    token_file: Path
    tls: ssl.SSLContext

    @classmethod
    def in_cluster(cls, environment: Mapping[str, str], account: Path = ACCOUNT) -> "Kube":
        host, port = environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"]
        address = f"[{host}]" if ":" in host else host
        base = f"https://{address}:{port}/api/v1/namespaces/{environment['CAISSON_POD_NAMESPACE']}"
        return cls(base, account / "token", ssl.create_default_context(cafile=str(account / "ca.crt")))

    def read(self, path: str) -> Manifest:
        return self._call("GET", path, None)

    def replace(self, path: str, manifest: Manifest) -> Manifest:
        """Compares metadata.resourceVersion before it sets."""
        return self._call("PUT", path, manifest)

    def _call(self, method: str, path: str, body: Manifest | None) -> Manifest:
        request = urllib.request.Request(
            f"{self.base}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token_file.read_text()}",
                "Content-Type": "application/json",
                "User-Agent": "caisson-epoch",
            },
        )
        # Without the proxies of an environment: the API server is in the cluster.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls)
        )
        try:
            with opener.open(request, timeout=CALL_SECONDS) as answer:
                found: Manifest = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            kind = Conflict if error.code == 409 else KubeError
            raise kind(f"{method} {path}: {error.code}") from error
        except (OSError, ValueError) as error:
            raise KubeError(f"{method} {path}: {error}") from error
