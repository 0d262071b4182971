"""A change of the passwords that the Secret of credentials holds, as the effect that carries it out. No decision is made here."""

import secrets
from collections.abc import Mapping
from typing import assert_never

from caisson_operator.effects.kube import KubeApi, ObjectRef

from . import steps
from .credentials import adopt_operators, encode, prepare_operators, read_credentials
from .manifests import DatabaseIdentity, credentials_name
from .member_credentials import adopt_member, prepare_member, read_member_passwords, retire_member

PASSWORD_BYTES = 24

CredentialsStep = (
    steps.PrepareOperatorPasswords
    | steps.AdoptOperatorPasswords
    | steps.PrepareMemberPassword
    | steps.AdoptMemberPassword
    | steps.RetireMemberPassword
)


async def change_credentials(kube: KubeApi, database: DatabaseIdentity, step: CredentialsStep) -> None:
    """Of the Secret as it is now, in one write; nothing where it has gone on since. Raises Conflict, LookupError."""
    ref = ObjectRef("v1", "Secret", database.namespace, credentials_name(database.name))
    secret = await kube.get(ref)
    if secret is None:
        raise LookupError(f"the Secret {ref.name} has gone")
    changes = _find_changes(secret["data"], step)
    if changes:
        version = {"resourceVersion": secret["metadata"]["resourceVersion"], "uid": secret["metadata"]["uid"]}
        await kube.merge_patch(ref, {"metadata": version, "data": encode(changes)})


def _find_changes(data: Mapping[str, str], step: CredentialsStep) -> dict[str, str | None]:
    match step:
        case steps.PrepareOperatorPasswords():
            return prepare_operators(read_credentials(data), step.rotation, _generate)
        case steps.AdoptOperatorPasswords():
            return adopt_operators(read_credentials(data), step.rotation, step.login)
        case steps.PrepareMemberPassword():
            return prepare_member(read_member_passwords(data), step.rotation, _generate)
        case steps.AdoptMemberPassword():
            return adopt_member(read_member_passwords(data), step.rotation)
        case steps.RetireMemberPassword():
            return retire_member(read_member_passwords(data), step.rotation)
        case _:
            assert_never(step)


def _generate(_: str) -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)
