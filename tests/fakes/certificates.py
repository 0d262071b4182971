"""Certificates for the servers of a test, made as the operator makes them, in files."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from caisson_operator.effects.certificates import KeyPair, issue_certificate, make_authority
from caisson_operator.effects.kube import ObjectRef


@dataclass(frozen=True, slots=True)
class Files:
    """As a pod has them mounted."""

    certificate: Path
    key: Path
    authority: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def new_authority() -> KeyPair:
    return make_authority("Caisson test", datetime.now(UTC))


def write_certificate(folder: Path, names: Sequence[str], authority: KeyPair | None = None) -> Files:
    """Of the given authority, or of one that nobody else has."""
    authority = authority or new_authority()
    made = issue_certificate(authority, "test", names, datetime.now(UTC))
    files = Files(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")
    files.certificate.write_text(made.certificate)
    files.key.write_text(made.key)
    files.authority.write_text(authority.certificate)
    return files


class SecretStore:
    """What a room's effects need of the API server to make keys: Secrets of the namespace demo, in memory."""

    def __init__(self) -> None:
        self.secrets: dict[ObjectRef, dict[str, Any]] = {}

    async def get(self, ref: ObjectRef) -> dict[str, Any] | None:
        return self.secrets.get(ref)

    async def create_once(self, manifest: dict[str, Any]) -> bool:
        return self.secrets.setdefault(ObjectRef.of(manifest), manifest) is manifest

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.secrets[ObjectRef.of(manifest)] = manifest
        return manifest

    def secret(self, name: str) -> dict[str, Any]:
        return self.secrets[ObjectRef("v1", "Secret", "demo", name)]
