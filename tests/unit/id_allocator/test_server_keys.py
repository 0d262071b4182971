"""What the servers ask of clients and show them is the allocator's own: a Secret that cannot be it is told of, neither taken over nor made again and again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from caisson_operator.api.id_allocator_spec import Mode
from caisson_operator.core.backend import BackendSeen
from caisson_operator.core.certificates import Authority, ServerCertificate
from caisson_operator.core.decisions import Decision, Plan, Wait
from caisson_operator.core.objects import Owner, build_secret, read_secret
from caisson_operator.effects.key_secrets import read_certificate
from caisson_operator.effects.kube import KubeApi
from caisson_operator.id_allocator import steps
from caisson_operator.id_allocator.act_on_certificates import create_authority, issue
from caisson_operator.id_allocator.decide import decide
from caisson_operator.id_allocator.manifests import build_authority, build_token
from caisson_operator.id_allocator.observe import judge_authority
from caisson_operator.id_allocator.observed import Observed, read_token
from caisson_operator.id_allocator.status import build_status
from caisson_operator.id_allocator.wanted import Wanted
from fakes.certificates import SecretStore, new_authority

NOW = datetime(2026, 11, 30, tzinfo=UTC)
OWNER = Owner("caisson.dev/v1alpha1", "IdAllocator", "demo", "orders", "uid")
FORMER = Owner("caisson.dev/v1alpha1", "IdAllocator", "demo", "orders", "uid of a former one")
NAME, AUTHORITY_NAME = "orders-id-server-binding", "orders-id-server-ca"
ISSUER = new_authority()


def wanted(owner: Owner = OWNER, replicas: int = 2) -> Wanted:
    return Wanted(owner, Mode.UUID7, None, False, {}, replicas, "ids:1", {})


def made(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "uid": "uid of the Secret"}}


CERTIFICATE = ServerCertificate(
    frozenset(wanted().names.certified), NOW - timedelta(days=59), NOW + timedelta(days=31), "key"
)
CERTIFIED = Observed({}, BackendSeen(), authority=Authority("PEM", "key"), certificate=CERTIFICATE, now=NOW)


def observed(secret: dict[str, Any] | None) -> Observed:
    token, trouble = read_token(secret, OWNER.uid)
    return replace(CERTIFIED, token=token, token_trouble=trouble)


def decide_about(secret: dict[str, Any] | None, replicas: int = 2) -> Decision:
    return decide(wanted(replicas=replicas), observed(secret))


def steps_of(decision: Decision) -> tuple[object, ...]:
    assert isinstance(decision, Plan)
    return decision.steps


def test_makes_an_authority_then_a_certificate_then_a_token_and_then_the_servers() -> None:
    nothing = Observed({}, BackendSeen(), now=NOW)
    assert steps_of(decide(wanted(), nothing)) == (steps.MakeAuthority(),)
    vouched = replace(nothing, authority=CERTIFIED.authority)
    assert steps_of(decide(wanted(), vouched)) == (steps.IssueCertificate(),)
    assert steps_of(decide_about(None)) == (steps.MakeToken(),)
    (then,) = steps_of(decide_about(made(build_token(wanted(), "sesame"))))
    assert isinstance(then, steps.Apply)
    assert "Deployment" in {each["kind"] for each in then.manifests}


def test_tells_clients_where_the_servers_are_and_whom_to_trust_and_leaves_the_token_as_it_is() -> None:
    (then,) = steps_of(decide_about(made(build_token(wanted(), "sesame"))))
    assert isinstance(then, steps.Apply)
    shown = {each["metadata"]["name"]: each for each in then.manifests if each["kind"] == "Secret"}
    url = "https://orders-id-server.demo.svc:8443"
    assert read_secret(shown[NAME]) == {
        "uri": url, "host": "orders-id-server.demo.svc", "port": "8443", "ca.crt": "PEM",
    }  # fmt: skip
    assert shown[NAME]["metadata"]["uid"] == "uid of the Secret"
    told = read_secret(shown["orders-ids-binding"])
    assert (told["server_url"], told["server_token"], told["server_ca.crt"]) == (url, "sesame", "PEM")


def test_the_servers_show_their_certificate_and_speak_https_alone() -> None:
    (then,) = steps_of(decide_about(made(build_token(wanted(), "sesame"))))
    assert isinstance(then, steps.Apply)
    (deployment,) = [each for each in then.manifests if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][-2:] == ["--tls", "/certificate"]
    assert {"name": "certificate", "mountPath": "/certificate", "readOnly": True} in container["volumeMounts"]
    assert "orders-id-server-tls" in {volume["secret"]["secretName"] for volume in pod["volumes"]}
    probes = [container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")]
    assert {(probe["scheme"], probe["port"]) for probe in probes} == {("HTTPS", "https")}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"not_before": NOW - timedelta(days=60), "not_after": NOW + timedelta(days=30)}, "ends 2026-12-30"),
        ({"names": frozenset(["orders-id-server"])}, "for other names"),
        ({"authority_id": "another"}, "of another authority"),
    ],
)
def test_a_certificate_is_renewed_for_a_reason_that_is_told(changes: dict[str, Any], why: str) -> None:
    due = replace(CERTIFIED, certificate=replace(CERTIFICATE, **changes))
    decision = decide(wanted(), due)
    assert steps_of(decision) == (steps.IssueCertificate(),)
    assert isinstance(decision, Plan)
    assert why in decision.message
    troubled = replace(due, token_trouble=read_token(UNUSABLE[0][0], OWNER.uid)[1])
    assert steps_of(decide(wanted(), troubled)) == (steps.IssueCertificate(),), (
        "what is wrong with the token held it up"
    )
    assert steps.IssueCertificate() not in steps_of(decide(wanted(replicas=0), due)), "nobody shows it"


UNUSABLE = [
    (build_secret({"name": NAME}, "Opaque", {"token": "known to others"}), "is not this allocator's"),
    (build_token(wanted(FORMER), "sesame"), "is not this allocator's"),
    (build_secret(OWNER.owned(NAME), "Opaque", {}), "has no entry 'token'"),
    (build_token(wanted(), ""), "has no entry 'token'"),
]


@pytest.mark.parametrize(("secret", "fault"), UNUSABLE)
def test_waits_where_the_secret_of_that_name_cannot_be_used(secret: dict[str, Any], fault: str) -> None:
    decision = decide_about(secret)
    assert isinstance(decision, Wait)
    assert fault in decision.message
    status = build_status(wanted(), observed(secret), decision)
    assert ("Ready", "False", "TokenUnusable") in [(str(c.type), str(c.status), c.reason) for c in status.conditions]


def test_such_a_secret_is_nobodys_concern_without_servers() -> None:
    decision = decide_about(UNUSABLE[0][0], replicas=0)
    assert isinstance(decision, Plan)
    assert {each["kind"] for step in decision.steps if isinstance(step, steps.Apply) for each in step.manifests} == {
        "Secret"
    }


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        (build_authority(wanted(FORMER), ISSUER.certificate, ISSUER.key), "is not this allocator's"),
        (build_authority(wanted(), "nothing", ISSUER.key), "has no certificate that can be read"),
        (build_secret(OWNER.owned(AUTHORITY_NAME), "Opaque", {}), "has no certificate that can be read"),
    ],
)
def test_waits_where_the_authority_is_a_strangers_or_cannot_be_read(secret: dict[str, Any], fault: str) -> None:
    authority, trouble = judge_authority(secret, OWNER.uid)
    assert authority is None
    seen = replace(CERTIFIED, authority=authority, authority_trouble=trouble)
    decision = decide(wanted(), seen)
    assert isinstance(decision, Wait)
    assert decision.reason == "AuthorityUnusable"
    assert fault in decision.message
    assert ISSUER.key not in decision.message
    status = build_status(wanted(), seen, decision)
    assert ("Ready", "False", "AuthorityUnusable") in [
        (str(c.type), str(c.status), c.reason) for c in status.conditions
    ]


def test_takes_its_own_authority() -> None:
    secret = build_authority(wanted(), ISSUER.certificate, ISSUER.key)
    authority, trouble = judge_authority(secret, OWNER.uid)
    assert trouble is None
    assert authority is not None
    assert authority.certificate == ISSUER.certificate


@pytest.mark.asyncio
async def test_the_certificate_is_of_the_authority_for_every_name_of_the_servers_and_no_longer_than_90_days() -> None:
    kube = SecretStore()
    await create_authority(cast(KubeApi, kube), wanted(), NOW)
    await create_authority(cast(KubeApi, kube), wanted(), NOW)
    await issue(cast(KubeApi, kube), wanted(), NOW)
    authority, trouble = judge_authority(kube.secret(AUTHORITY_NAME), OWNER.uid)
    shown = read_certificate(kube.secret("orders-id-server-tls"))
    assert trouble is None
    assert authority is not None
    assert shown is not None
    assert shown.authority_id == authority.key_id
    assert "orders-id-server.demo.svc" in shown.names == frozenset(wanted().names.certified)
    assert shown.not_after == NOW + timedelta(days=90)
    assert read_secret(kube.secret("orders-id-server-tls"))["ca.crt"] == authority.certificate


@pytest.mark.asyncio
async def test_nothing_is_issued_by_an_authority_that_has_gone() -> None:
    with pytest.raises(LookupError, match="orders-id-server-ca has gone"):
        await issue(cast(KubeApi, SecretStore()), wanted(), NOW)


def test_tells_when_the_certificate_ends() -> None:
    status = build_status(wanted(), CERTIFIED, decide(wanted(), CERTIFIED))
    assert status.server is not None
    assert status.server.certificate_ends == CERTIFICATE.not_after
