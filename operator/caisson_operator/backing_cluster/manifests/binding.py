"""The binding: what applications mount, in the words of the Service Binding specification. Pure."""

import json
from typing import Any
from urllib.parse import quote

from caisson_operator.core.certificates import AUTHORITY_KEY
from caisson_operator.core.objects import build_secret

from ..wanted import Wanted
from .inputs import Passwords
from .names import REDIS_PORT, SENTINEL_PORT, ZOOKEEPER_PORT, Names

PROVIDER = "caisson"
APPLICATION = "caisson"
"""The applications' user, in workloads/redis and workloads/zookeeper too."""


def build_binding(wanted: Wanted, passwords: Passwords, authority: str) -> dict[str, Any]:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    values = {
        "type": str(wanted.type),
        "provider": PROVIDER,
        "host": names.host,
        "username": APPLICATION,
        "password": passwords.application,
        AUTHORITY_KEY: authority,
        **(_of_redis(wanted, names, passwords) if wanted.is_redis else _of_zookeeper(wanted, names)),
    }
    return build_secret(wanted.owner.owned(names.binding), f"servicebinding.io/{wanted.type}", values)


def _of_redis(wanted: Wanted, names: Names, passwords: Passwords) -> dict[str, str]:
    place = f"{names.host}:{REDIS_PORT}"
    common = {
        "port": str(REDIS_PORT),
        "uri": f"rediss://{APPLICATION}:{quote(passwords.application, safe='')}@{place}/0",
        "topology": "replicated" if wanted.is_replicated else "independent",
        "members": _list(wanted, names, REDIS_PORT),
    }
    if not wanted.is_replicated:
        return common
    return {**common, "sentinels": _list(wanted, names, SENTINEL_PORT), "master": names.cluster}


def _of_zookeeper(wanted: Wanted, names: Names) -> dict[str, str]:
    hosts = ",".join(f"{names.member_host(ordinal)}:{ZOOKEEPER_PORT}" for ordinal in range(wanted.members))
    return {"port": str(ZOOKEEPER_PORT), "hosts": hosts}


def _list(wanted: Wanted, names: Names, port: int) -> str:
    return json.dumps([{"host": names.member_host(ordinal), "port": port} for ordinal in range(wanted.members)])
