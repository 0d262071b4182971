"""The little of the API server that is needed: read an object, and patch it if it still has the version that was read.

StoreError              nothing is known of what the API server has done
  Refused               it said no: `code` is its HTTP status
    Conflict            409: the object has changed since it was read
    NotFound            404
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CALL_SECONDS = 1.0


class StoreError(Exception):
    pass


class Refused(StoreError):
    def __init__(self, code: int, method: str, path: str, answer: str) -> None:
        super().__init__(f"{method} {path}: {code} {answer[:200]}")
        self.code = code


class Conflict(Refused):
    pass


class NotFound(Refused):
    pass


REFUSALS = {409: Conflict, 404: NotFound}


@dataclass(frozen=True, slots=True)
class Kube:
    """One namespace. The token is read for every call: Kubernetes replaces it every hour or so."""

    pool: urllib3.PoolManager
    base: str
    token_file: Path
    seconds: float = CALL_SECONDS

    @classmethod
    def in_cluster(cls, environment: Mapping[str, str]) -> "Kube":
        host, port = environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"]
        address = f"[{host}]" if ":" in host else host
        base = f"https://{address}:{port}/api/v1/namespaces/{environment['PATRONI_KUBERNETES_NAMESPACE']}"
        return cls(urllib3.PoolManager(ca_certs=str(ACCOUNT / "ca.crt")), base, ACCOUNT / "token")

    async def read(self, path: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._call, "GET", path, None)

    async def patch(self, path: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """A merge patch. With a resourceVersion in it the API server compares before it sets."""
        return await asyncio.to_thread(self._call, "PATCH", path, patch)

    def _call(self, method: str, path: str, patch: Mapping[str, Any] | None) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.token_file.read_text()}",
            "Content-Type": "application/merge-patch+json",
            "User-Agent": "caisson-early-expiry",
        }
        body = None if patch is None else json.dumps(patch)
        try:
            answer = self.pool.request(
                method,
                f"{self.base}/{path}",
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(total=self.seconds),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise StoreError(f"{method} {path}: {error}") from error
        if answer.status >= 300:
            raise REFUSALS.get(answer.status, Refused)(
                answer.status, method, path, answer.data.decode(errors="replace")
            )
        found: dict[str, Any] = answer.json()
        return found
