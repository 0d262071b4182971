"""The steps that make keys, each as the Secret that it leaves behind. Safe to repeat; no decision is made here."""

from datetime import datetime

from caisson_operator.effects.certificates import issue_certificate, make_authority
from caisson_operator.effects.key_secrets import fetch_key_pair
from caisson_operator.effects.kube import KubeApi

from .manifests import (
    DatabaseIdentity,
    ShardNames,
    authority_name,
    build_authority_secret,
    build_certificate_secret,
    build_server_names,
)


async def create_authority(kube: KubeApi, database: DatabaseIdentity, now: datetime) -> None:
    made = make_authority(f"Caisson {database.name}", now)
    await kube.create_once(build_authority_secret(database, made.certificate, made.key))


async def issue(kube: KubeApi, database: DatabaseIdentity, shard: str, now: datetime) -> None:
    """Raises LookupError where the authority has gone since it was looked for."""
    authority = await fetch_key_pair(kube, database.namespace, authority_name(database.name))
    scope = ShardNames(database.name, shard).scope
    made = issue_certificate(authority, scope, build_server_names(database, shard), now)
    await kube.apply(build_certificate_secret(database, shard, made.certificate, made.key, authority.certificate))
