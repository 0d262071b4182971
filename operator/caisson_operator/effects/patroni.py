"""Patroni's REST API, as far as the operator writes to it: the settings of a shard, a change of its leader, a restart.

Any member takes them: it puts them into the shard's store, and every member follows within its next loop.

    PatroniError                  the member has refused, and would again: wrong credentials, or what it does not take
    +-- SwitchoverRefused         the lead cannot move as things are, and nothing was begun
    +-- SwitchoverUnfinished      nobody knows what came of it, or it came to nothing: the shard's records tell
    HeldUp                        nobody was reached, or the member could not reach its store or was overtaken: look again
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from caisson_operator.core.decisions import HeldUp

RESTAPI_USER = "caisson"  # workloads/postgres/member.py
REQUEST_TIMEOUT_SECONDS = 5.0
RESTART_TIMEOUT_SECONDS = 60.0
SWITCHOVER_TIMEOUT_SECONDS = 30.0  # Patroni itself answers within about 20, most often within 3
LOOK_AGAIN_SECONDS = 2.0
_TEMPORARY = (409, 502, 503, 504)


class PatroniError(Exception):
    """Names the member and what it said; never what it was sent."""


class SwitchoverRefused(PatroniError):
    pass


class SwitchoverUnfinished(PatroniError):
    pass


@dataclass(frozen=True, slots=True)
class Member:
    """Where one member's REST API is, the password that writing to it takes, and whose certificate (PEM) it must show."""

    name: str
    url: str
    password: str = field(repr=False)
    authority: str


def build_member(pod: str, scope_pods: str, namespace: str, port: int, password: str, authority: str) -> Member:
    """By the pod's name under its headless Service, which knows pods that are not ready as well."""
    return Member(pod, f"https://{pod}.{scope_pods}.{namespace}.svc:{port}", password, authority)


async def patch_settings(member: Member, settings: Mapping[str, Any], timeout: float = REQUEST_TIMEOUT_SECONDS) -> None:
    """Lay `settings` upon what the shard has, mapping by mapping; what they do not name stays. Safe to repeat."""
    what = "the settings"
    try:
        status, said = await _send(member, "PATCH", "/config", settings, timeout)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _held_up(member, what, str(error) or type(error).__name__) from error
    if status in _TEMPORARY:
        raise _held_up(member, what, f"{status} {said}")
    _check(member, what, status, said)


async def request_switchover(leader: Member, candidate: str, timeout: float = SWITCHOVER_TIMEOUT_SECONDS) -> None:
    """Ask the leader to hand over to `candidate`, and wait for what it says; returns once another leads.

    To ask again is harmless: Patroni takes it only while `leader` leads (412 otherwise), and what is under way already it
    does not begin twice. A request that it takes in the moment of the change names a leader that was, and is dropped.
    """
    what, wish = "the switchover", {"leader": leader.name, "candidate": candidate}
    try:
        status, said = await _send(leader, "POST", "/switchover", wish, timeout)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise _held_up(leader, what, str(error) or type(error).__name__) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SwitchoverUnfinished(f"{leader.name} did not answer ({str(error) or type(error).__name__})") from error
    if status in (400, 412):
        raise SwitchoverRefused(f"Patroni of {leader.name} refused: {said}")
    if status >= 500 or status == 409:
        raise SwitchoverUnfinished(f"Patroni of {leader.name} said {status} {said}")
    _check(leader, what, status, said)


async def request_restart(member: Member, role: str, timeout: float = RESTART_TIMEOUT_SECONDS) -> None:
    """Restart PostgreSQL of a member that has this role and a setting that waits for it; otherwise Patroni does nothing.

    To ask again is harmless: after the restart nothing waits any more.
    """
    what, wish = "the restart", {"restart_pending": True, "role": role}
    try:
        status, said = await _send(member, "POST", "/restart", wish, timeout)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _held_up(member, what, str(error) or type(error).__name__) from error
    if status in _TEMPORARY:
        raise HeldUp("RestartRefused", f"Patroni of {member.name} does not restart now: {said}", LOOK_AGAIN_SECONDS)
    _check(member, what, status, said)


async def _send(member: Member, method: str, path: str, body: Mapping[str, Any], timeout: float) -> tuple[int, str]:
    tls = ssl.create_default_context(cadata=member.authority)
    headers = {"Authorization": aiohttp.encode_basic_auth(RESTAPI_USER, member.password)}
    limit = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, REQUEST_TIMEOUT_SECONDS))
    async with (
        aiohttp.ClientSession(headers=headers, timeout=limit) as session,
        session.request(method, member.url + path, json=body, ssl=tls, allow_redirects=False) as response,
    ):
        return response.status, (await response.read())[:200].decode(errors="replace").strip()


def _check(member: Member, what: str, status: int, said: str) -> None:
    if status == 200:
        return
    if status in (401, 403):
        raise PatroniError(
            f"{member.name} does not take {what}: {status}, it was started with another password of its REST API "
            "than the Secret of credentials has; restart the pod"
        )
    raise PatroniError(f"{member.name} does not take {what}: {status} {said}")


def _held_up(member: Member, what: str, why: str) -> HeldUp:
    message = f"{what} did not reach Patroni of {member.name} ({why}); sent again"
    return HeldUp("PatroniUnreachable", message, LOOK_AGAIN_SECONDS)
