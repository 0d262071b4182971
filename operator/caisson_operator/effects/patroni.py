"""Patroni's REST API, as far as the operator writes to it: the settings that all members of a shard share.

Any member takes them: it puts them into the shard's store, and every member follows within its next loop.

    PatroniError    the member has refused, and would again: wrong credentials, or settings that it does not take
    HeldUp          nobody answered, or the member could not reach its store or was overtaken: look again
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from caisson_operator.core.decisions import HeldUp

RESTAPI_USER = "caisson"  # workloads/postgres/member.py
REQUEST_TIMEOUT_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 2.0
_TEMPORARY = (409, 502, 503, 504)


class PatroniError(Exception):
    """Names the member and what it said; never what it was sent."""


@dataclass(frozen=True, slots=True)
class Member:
    """Where one member's REST API is, and the password that writing to it takes."""

    name: str
    url: str
    password: str


def build_member(pod: str, scope_pods: str, namespace: str, port: int, password: str) -> Member:
    """By the pod's name under its headless Service, which knows pods that are not ready as well."""
    return Member(pod, f"http://{pod}.{scope_pods}.{namespace}.svc:{port}", password)


async def patch_settings(member: Member, settings: Mapping[str, Any], timeout: float = REQUEST_TIMEOUT_SECONDS) -> None:
    """Lay `settings` upon what the shard has, mapping by mapping; what they do not name stays. Safe to repeat."""
    headers = {"Authorization": aiohttp.encode_basic_auth(RESTAPI_USER, member.password)}
    limit = aiohttp.ClientTimeout(total=timeout)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit) as session,
            session.patch(f"{member.url}/config", json=settings, allow_redirects=False) as response,
        ):
            _check(member, response.status, (await response.read())[:200].decode(errors="replace").strip())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _held_up(member, str(error) or type(error).__name__) from error


def _check(member: Member, status: int, said: str) -> None:
    if status == 200:
        return
    if status in _TEMPORARY:
        raise _held_up(member, f"{status} {said}")
    if status in (401, 403):
        raise PatroniError(
            f"{member.name} does not take the settings: {status}, it was started with another password of its REST API "
            "than the Secret of credentials has; restart the pod"
        )
    raise PatroniError(f"{member.name} does not take the settings: {status} {said}")


def _held_up(member: Member, why: str) -> HeldUp:
    message = f"the settings did not reach Patroni of {member.name} ({why}); they are sent again"
    return HeldUp("PatroniUnreachable", message, LOOK_AGAIN_SECONDS)
