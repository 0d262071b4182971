"""When a certificate is due, what is issued then, and that what was issued is what is read back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from caisson_operator.core.certificates import ServerCertificate
from caisson_operator.core.decisions import Plan, Settled
from caisson_operator.effects.certificates import (
    AUTHORITY_LIFE,
    CERTIFICATE_LIFE,
    KeyPair,
    issue_certificate,
    make_authority,
)
from caisson_operator.effects.key_secrets import read_authority, read_certificate
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.act_on_certificates import create_authority, issue
from caisson_operator.sharded_database.certificates import decide_certificates
from caisson_operator.sharded_database.manifests import DatabaseIdentity, build_certificate_secret, build_server_names
from caisson_operator.sharded_database.observed import Objects
from fakes.certificates import SecretStore
from fakes.observations import AUTHORITY, NOW, build_wanted, observe, provision

WANTED = build_wanted(2)
FLIGHTS = DatabaseIdentity("flights", "demo", "uid-1")
NAMES = build_server_names(FLIGHTS, "s0")
ISSUER = make_authority("Caisson flights", NOW)


def load(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.encode())


def with_certificate(**changes: Any) -> Objects:
    """All is well but for the certificate of s1."""
    objects = provision(WANTED)
    return replace(objects, certificates={**objects.certificates, "s1": replace(objects.certificates["s1"], **changes)})


def begun(ago: timedelta) -> dict[str, datetime]:
    return {"not_before": NOW - ago, "not_after": NOW - ago + timedelta(days=90)}


def test_the_authority_comes_before_what_it_vouches_for_and_both_before_any_pod() -> None:
    nothing = decide_certificates(WANTED, observe(WANTED, {}, Objects(has_credentials=True)))
    assert isinstance(nothing, Plan)
    assert nothing.steps == (steps.CreateAuthority(),)
    certified = decide_certificates(WANTED, observe(WANTED, {}, Objects(has_credentials=True, authority=AUTHORITY)))
    assert isinstance(certified, Plan)
    assert certified.steps == (steps.IssueCertificate("s0"), steps.IssueCertificate("s1"))
    assert decide_certificates(WANTED, observe(WANTED)) == Settled()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (begun(timedelta(days=60)), "s1 (ends 2026-01-31)"),
        ({"names": frozenset(["flights-s1.test.svc"])}, "s1 (for other names)"),
        ({"authority_id": "another"}, "s1 (of another authority)"),
    ],
)
def test_a_certificate_is_renewed_for_a_reason_that_is_told(changes: dict[str, Any], why: str) -> None:
    decision = decide_certificates(WANTED, observe(WANTED, objects=with_certificate(**changes)))
    assert isinstance(decision, Plan)
    assert decision.steps == (steps.IssueCertificate("s1"),)
    assert why in decision.message


def test_a_certificate_is_left_alone_before_two_thirds_of_its_life_are_over() -> None:
    objects = with_certificate(**begun(timedelta(days=59, hours=23)))
    assert decide_certificates(WANTED, observe(WANTED, objects=objects)) == Settled()


def test_the_authority_vouches_for_its_certificates_and_another_does_not() -> None:
    certificate = load(issue_certificate(ISSUER, "flights-s0", NAMES, NOW))
    certificate.verify_directly_issued_by(load(ISSUER))
    with pytest.raises((InvalidSignature, ValueError)):
        certificate.verify_directly_issued_by(load(make_authority("Caisson flights", NOW)))


def test_what_was_issued_may_serve_and_vouch_for_nobody() -> None:
    extensions = load(issue_certificate(ISSUER, "flights-s0", NAMES, NOW)).extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_one_that_dials_may_show_its_certificate_there() -> None:
    extensions = load(issue_certificate(ISSUER, "keeper", NAMES, NOW, dials=True)).extensions
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == both


def test_no_certificate_outlives_its_authority() -> None:
    late = NOW + AUTHORITY_LIFE - CERTIFICATE_LIFE / 2
    assert load(issue_certificate(ISSUER, "flights-s0", NAMES, late)).not_valid_after_utc == NOW + AUTHORITY_LIFE


def test_the_key_belongs_to_its_certificate() -> None:
    made = issue_certificate(ISSUER, "flights-s0", NAMES, NOW)
    key = serialization.load_pem_private_key(made.key.encode(), password=None)
    assert key.public_key() == load(made).public_key()
    assert made.key not in repr(made)


def test_an_authority_whose_halves_do_not_belong_together_issues_nothing() -> None:
    broken = KeyPair(ISSUER.certificate, make_authority("Caisson flights", NOW).key)
    with pytest.raises(ValueError, match="does not belong"):
        issue_certificate(broken, "flights-s0", NAMES, NOW)


@pytest.mark.parametrize(
    "certificate", ["", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", ISSUER.certificate]
)
def test_what_no_server_could_use_counts_as_none(certificate: str) -> None:
    assert read_certificate(build_certificate_secret(FLIGHTS, "s0", certificate, "key", "")) is None


@pytest.mark.asyncio
async def test_what_the_steps_leave_is_what_was_decided_for() -> None:
    kube, now = SecretStore(), datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(2):  # safe to repeat
        await create_authority(kube, FLIGHTS, now)  # type: ignore[arg-type]
        made = kube.secret("flights-ca")
        await issue(kube, FLIGHTS, "s0", now)  # type: ignore[arg-type]
    assert kube.secret("flights-ca") is made
    authority = read_authority(made)
    assert authority is not None
    found = read_certificate(kube.secret("flights-s0-tls"))
    begin = now - timedelta(hours=1)
    assert found == ServerCertificate(frozenset(NAMES), begin, now + timedelta(days=90), authority.key_id)


@pytest.mark.asyncio
async def test_without_the_authority_nothing_is_issued() -> None:
    with pytest.raises(LookupError, match="flights-ca has gone"):
        await issue(SecretStore(), FLIGHTS, "s0", NOW)  # type: ignore[arg-type]
