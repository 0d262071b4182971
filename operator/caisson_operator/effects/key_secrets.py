"""Read what the Secrets of certificates hold, which core/certificates.py builds."""

import base64
from collections.abc import Mapping
from typing import Any

from cryptography import x509

from caisson_operator.core.certificates import CERTIFICATE_KEY, PRIVATE_KEY, Authority, ServerCertificate

from .certificates import KeyPair
from .kube import KubeApi, ObjectRef


async def fetch_key_pair(kube: KubeApi, namespace: str, name: str) -> KeyPair:
    """Raises LookupError where the Secret has gone since it was looked for."""
    secret = await kube.get(ObjectRef("v1", "Secret", namespace, name))
    if secret is None:
        raise LookupError(f"the Secret {name} has gone")
    return read_key_pair(secret)


def read_key_pair(secret: Mapping[str, Any]) -> KeyPair:
    """Raises KeyError with the key that is missing."""
    certificate, key = (base64.b64decode(secret["data"][name]).decode() for name in (CERTIFICATE_KEY, PRIVATE_KEY))
    return KeyPair(certificate, key)


def read_authority(secret: Mapping[str, Any] | None) -> Authority | None:
    """None where there is no Secret. Raises KeyError, ValueError: what clients trust is not replaced for being unreadable."""
    if secret is None:
        return None
    pem = read_key_pair(secret).certificate
    found = x509.load_pem_x509_certificate(pem.encode())
    key_id = found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return Authority(pem, key_id.hex())


def read_certificate(secret: Mapping[str, Any] | None) -> ServerCertificate | None:
    """None where there is no Secret, or none that a server could use: a new one is due either way."""
    if secret is None:
        return None
    try:
        found = x509.load_pem_x509_certificate(read_key_pair(secret).certificate.encode())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        issuer = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (KeyError, ValueError, x509.ExtensionNotFound):
        return None
    return ServerCertificate(
        names=frozenset(names.get_values_for_type(x509.DNSName)),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        authority_id=issuer.hex() if issuer else "",
    )
