"""A change of the passwords that the Secret of credentials holds, as the effect that carries it out. No decision is made here."""

import secrets
from typing import assert_never

from caisson_operator.effects.kube import KubeApi, ObjectRef

from . import steps
from .credentials import Credentials, adopt_operators, encode, prepare_operators, read_credentials
from .manifests import DatabaseIdentity, credentials_name

PASSWORD_BYTES = 24

CredentialsStep = steps.PrepareOperatorPasswords | steps.AdoptOperatorPasswords


async def change_credentials(kube: KubeApi, database: DatabaseIdentity, step: CredentialsStep) -> None:
    """Of the Secret as it is now, in one write; nothing where it has gone on since. Raises Conflict, LookupError."""
    ref = ObjectRef("v1", "Secret", database.namespace, credentials_name(database.name))
    secret = await kube.get(ref)
    if secret is None:
        raise LookupError(f"the Secret {ref.name} has gone")
    changes = _find_changes(read_credentials(secret["data"]), step)
    if changes:
        version = {"resourceVersion": secret["metadata"]["resourceVersion"], "uid": secret["metadata"]["uid"]}
        await kube.merge_patch(ref, {"metadata": version, "data": encode(changes)})


def _find_changes(credentials: Credentials, step: CredentialsStep) -> dict[str, str | None]:
    match step:
        case steps.PrepareOperatorPasswords():
            return prepare_operators(credentials, step.rotation, lambda _: secrets.token_urlsafe(PASSWORD_BYTES))
        case steps.AdoptOperatorPasswords():
            return adopt_operators(credentials, step.rotation, step.login)
        case _:
            assert_never(step)
