"""The steps that make keys, each as the Secret that it leaves behind. Safe to repeat; no decision is made here."""

from datetime import datetime

from caisson_operator.effects.certificates import issue_certificate, make_authority
from caisson_operator.effects.key_secrets import fetch_key_pair
from caisson_operator.effects.kube import KubeApi

from .manifests import Names, build_authority, build_certificate
from .wanted import Wanted


async def create_authority(kube: KubeApi, wanted: Wanted, now: datetime) -> None:
    made = make_authority(f"Caisson {wanted.owner.name}", now)
    await kube.create_once(build_authority(wanted, made.certificate, made.key))


async def issue(kube: KubeApi, wanted: Wanted, now: datetime) -> None:
    """Members of ZooKeeper show theirs to each other. Raises LookupError where the authority has gone since it was looked for."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    authority = await fetch_key_pair(kube, names.namespace, names.authority)
    made = issue_certificate(authority, names.cluster, names.served, now, dials=not wanted.is_redis)
    await kube.apply(build_certificate(wanted, made.certificate, made.key, authority.certificate))
