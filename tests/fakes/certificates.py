"""Certificates for the servers of a test, made as the operator makes them, in files."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from caisson_operator.effects.certificates import KeyPair, issue_certificate, make_authority


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
