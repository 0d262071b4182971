"""What servers show who connects to them: an authority of the resource's own, what it vouches for, and when a new one is due. Pure.

For every room whose servers speak TLS. Keys are made in effects/certificates.py, and read in effects/key_secrets.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .objects import build_secret

# Of a certificate's life; what is left is for whoever has to find out why nothing renews it.
RENEWED_AFTER = 2 / 3
# As Kubernetes' own type has them, and as cert-manager names the authority beside them.
TLS_TYPE = "kubernetes.io/tls"
CERTIFICATE_KEY, PRIVATE_KEY, AUTHORITY_KEY = "tls.crt", "tls.key", "ca.crt"
CLUSTER_DOMAIN = "cluster.local"


@dataclass(frozen=True, slots=True)
class Authority:
    """Who vouches for the servers. `certificate` is PEM, and public; the key is read where it signs, and nowhere else."""

    certificate: str
    key_id: str


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What servers show. `authority_id` is the `key_id` of the authority that issued it."""

    names: frozenset[str]
    not_before: datetime
    not_after: datetime
    authority_id: str


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """How the operator comes in to servers: the name that their certificate must be for, whose it must be (PEM), and a password."""

    name: str
    authority: str
    password: str = field(repr=False)


def explain_due(current: ServerCertificate | None, names: frozenset[str], authority_id: str, now: datetime) -> str:
    """Why a new certificate is needed; empty if it is not."""
    if current is None:
        return "there is none"
    if current.authority_id != authority_id:
        return "of another authority"
    if current.names != names:
        return "for other names"
    renewed_at = current.not_before + (current.not_after - current.not_before) * RENEWED_AFTER
    return f"ends {current.not_after:%Y-%m-%d}" if now >= renewed_at else ""


def list_forms(hosts: Iterable[str], namespace: str) -> tuple[str, ...]:
    """Each host as it is called from another namespace.

    The last of them are right where the cluster has the domain that most have; elsewhere nobody can use them.
    """
    domains = (f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.{CLUSTER_DOMAIN}")
    known = tuple(hosts)
    return tuple(f"{host}{domain}" for domain in domains for host in known)


def build_key_secret(metadata: Mapping[str, Any], certificate: str, key: str, authority: str = "") -> dict[str, Any]:
    """A certificate with its key: of an authority, or of servers with the `authority` that vouches for them. All PEM."""
    values = {CERTIFICATE_KEY: certificate, PRIVATE_KEY: key, **({AUTHORITY_KEY: authority} if authority else {})}
    return build_secret(metadata, TLS_TYPE, values)
