"""An authority of the tests' own and what ZooKeeper's servers need of it, made as the operator and the member make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from caisson_operator.effects.certificates import issue_certificate, make_authority
from zookeeper_member.configuration import build_key_store

HOST = "localhost"


@dataclass(frozen=True, slots=True)
class Identity:
    """Files: the authority's certificate, and a server's key with its certificate."""

    authority: Path
    key_store: Path


def make_identity(folder: Path, names: Sequence[str] = (HOST,)) -> Identity:
    """With an authority that nobody else knows."""
    now = datetime.now(UTC)
    authority = make_authority("tests", now)
    server = issue_certificate(authority, names[0], names, now, dials=True)
    found = Identity(folder / "ca.crt", folder / "server.pem")
    found.authority.write_text(authority.certificate)
    found.key_store.write_text(build_key_store(server.key, server.certificate))
    return found
