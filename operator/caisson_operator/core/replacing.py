"""Members whose volume is gone for good: after a grace they are made anew. What is the same in every room. Pure.

A volume is gone when Kubernetes calls its claim lost, or when it is bound to a node that exists no more. Its pod can then
never start again, and Kubernetes alone would wait forever. What a volume had is given up with it: where others must have it
first, each room says, in a function that tells what stands against giving up a volume (empty: nothing).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from .decisions import Decision, Plan, Settled, Step
from .volumes import Volume

FindHindrance = Callable[[Volume], str]


class Member(Protocol):
    """A pod, as far as this is concerned. `unready_since` is None while it is ready."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def is_ready(self) -> bool: ...
    @property
    def is_leaving(self) -> bool: ...
    @property
    def unready_since(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class ReplaceMember(Step):
    """Give up a member's volume and have its pod made anew: this very claim, and this very pod."""

    member: str
    uid: str
    claim: str
    claim_uid: str


def find_due(gone: Iterable[Volume], find_hindrance: FindHindrance) -> Volume | None:
    """The first that can be given up at once: whatever else is due does not wait for the grace."""
    return next((volume for volume in gone if not find_hindrance(volume)), None)


def replace_member(due: Volume | None, members: Iterable[Member], begins: str) -> Decision:
    pod = _find(due, members) if due else None
    if due is None or pod is None:
        return Settled()
    step = ReplaceMember(pod.name, pod.uid, due.name, due.uid)
    return Plan((step,), "ReplacingMember", f"{due.name} is gone for good; {pod.name} begins anew {begins}")


def explain_gone(gone: Iterable[Volume], find_hindrance: FindHindrance) -> tuple[str, ...]:
    """For each volume that is gone, what its replacement waits for."""
    return tuple(
        f"{volume.name} is gone for good: {find_hindrance(volume) or 'its member is replaced'}" for volume in gone
    )


def miss_pod(volume: Volume, members: Iterable[Member]) -> str:
    pod = _find(volume, members)
    if pod is None or pod.is_leaving or volume.is_leaving:
        return f"{volume.member} is being made anew"
    return ""


def miss_others(volume: Volume, members: Iterable[Member], volumes: Iterable[Volume]) -> str:
    """One at a time: the others are there, and are no copies that are still being made."""
    gone = {each.member for each in volumes if each.is_gone}
    others = [pod for pod in members if pod.name != volume.member and pod.name not in gone]
    away = ", ".join(pod.name for pod in others if not pod.is_ready)
    return f"{away} must be ready first" if away else ""


def miss_grace(volume: Volume, members: Sequence[Member], delay_seconds: float, now: datetime) -> str:
    """By the clock of Kubernetes: a node may come back under its name."""
    pod = _find(volume, members)
    if pod is None or pod.unready_since is None:
        return f"{volume.member} is ready"
    due = pod.unready_since + timedelta(seconds=delay_seconds)
    return f"its member is replaced at {due:%Y-%m-%dT%H:%M:%SZ}" if now < due else ""


def _find(volume: Volume, members: Iterable[Member]) -> Member | None:
    return next((pod for pod in members if pod.name == volume.member), None)
