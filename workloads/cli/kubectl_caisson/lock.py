"""`lock`: what the operator tells of a lock space, and a request to take a lock away.

The plugin talks to the API server only, so what is shown is as old as the operator's last look, and of a space with many
locks it is those that are waited for most and held longest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import NotSo, Unreachable
from .fetching import Kind
from .kube import Kube
from .layout import format_seconds, one_line, render_table
from .release import explain_silence
from .resource import read_moment
from .switchover import POLL_SECONDS, Patience

LOCK_SPACE = Kind("DistributedLock", "distributedlocks", "dlock")
ANNOTATION = "caisson.dev/release-lock"
MOST_SHOWN = 50
_COUNTER_BITS = 40
Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    namespace: str
    space: str
    lock: str
    id: str

    @property
    def text(self) -> str:
        return f"{self.lock}/{self.id}"

    @property
    def path(self) -> str:
        return LOCK_SPACE.path(self.namespace, self.space)

    @property
    def withdrawal(self) -> str:
        """What takes an unanswered request back."""
        return f"kubectl annotate dlock {self.space} -n {self.namespace} {ANNOTATION}-"


def render_spaces(manifests: list[dict[str, Any]], now: datetime) -> str:
    return "\n\n".join(render_space(manifest, now) for manifest in manifests)


def render_space(manifest: Manifest, now: datetime) -> str:
    metadata, status = manifest["metadata"], _status(manifest)
    head = f"{metadata['namespace']}/{metadata['name']} on {manifest['spec']['backend']['type']}: {_tell_ready(status)}"
    counts = (
        f"held {status.get('held', '-')}, waiting {status.get('waiting', '-')}, longest hold "
        f"{status.get('longestHold', '-')}, epoch {status.get('epoch', '-')}, contention {_percent(status)}"
    )
    locks = status.get("locks", [])
    if not locks:
        return f"{head}\n  {counts}"
    rows = [
        (
            lock["name"],
            lock.get("mode"),
            lock.get("held", 0),
            lock.get("waiting", 0),
            _age(lock, now),
            lock.get("owner"),
        )
        for lock in locks
    ]
    table = render_table(("LOCK", "MODE", "HELD", "WAITING", "FOR", "OWNER"), rows, indent="  ")
    more = (
        (f"  and more: the {len(locks)} that are waited for most and held longest",) if len(locks) >= MOST_SHOWN else ()
    )
    return "\n".join([head, f"  {counts}", *table, *more])


def show_lock(manifest: Manifest, lock: str, now: datetime) -> str:
    """Raises NotSo where the operator tells nothing of it."""
    found = find_lock(manifest, lock)
    token = found.get("token")
    lines = [
        f"{lock} in {manifest['metadata']['namespace']}/{manifest['metadata']['name']}",
        f"  held      {found.get('held', 0)} ({found.get('mode', 'by nobody')}), for {_age(found, now)}",
        f"  owner     {one_line(found.get('owner'))}",
        f"  token     {'-' if token is None else f'{token} (epoch {token >> _COUNTER_BITS}, number {token & (1 << _COUNTER_BITS) - 1})'}",
        f"  waiting   {found.get('waiting', 0)}",
    ]
    return "\n".join(lines)


def find_lock(manifest: Manifest, lock: str) -> dict[str, Any]:
    locks: list[dict[str, Any]] = _status(manifest).get("locks", [])
    found = next((each for each in locks if each["name"] == lock), None)
    if found is None:
        shown = f"; the operator shows the {len(locks)} that matter most" if len(locks) >= MOST_SHOWN else ""
        raise NotSo(f"nobody was seen to hold or wait for {one_line(lock)!r} at the operator's last look{shown}")
    return found


def ask(kube: Kube, request: Request) -> None:
    """Raises NotSo before anything is written: a release that is under way must not lose its place to another."""
    told = _release(kube.get(request.path))
    if told.get("phase") == "Requested":
        raise NotSo(
            f"a release of {one_line(told.get('lock'))} is under way (request {told.get('request')}): wait for it to end"
        )
    kube.merge_patch(request.path, {"metadata": {"annotations": {ANNOTATION: request.text}}})


def follow(kube: Kube, request: Request, patience: Patience, tell: Callable[[str], None]) -> str:
    """Until the operator has answered: returns what it says. Raises NotSo for every other end."""
    began, told = patience.monotonic(), ""
    while True:
        phase, said = _look(kube, request)
        if phase == "Done":
            return said
        if phase == "Refused":
            raise NotSo(said)
        if said != told:
            tell(said)
            told = said
        if patience.monotonic() - began >= patience.timeout_seconds:
            raise NotSo(_explain_timeout(kube, request, phase, patience))
        patience.pause(POLL_SECONDS)


def _look(kube: Kube, request: Request) -> tuple[str, str]:
    """The phase so far (empty: no answer) and a line about it."""
    try:
        manifest = kube.get(request.path)
    except Unreachable as error:
        return "", f"{error}; the request stands, looking again"
    release = _release(manifest)
    if release.get("request") != request.id:
        asked = (manifest["metadata"].get("annotations") or {}).get(ANNOTATION)
        if asked is not None and asked != request.text:
            raise NotSo(f"another request ({one_line(asked)}) has replaced this one, which was not carried out")
        return "", f"asked for {one_line(request.lock)}; waiting for the operator"
    phase = str(release.get("phase", "Unknown"))
    return phase, f"{phase}: {one_line(request.lock)}: {one_line(release.get('message'))}"


def _explain_timeout(kube: Kube, request: Request, phase: str, patience: Patience) -> str:
    waited = format_seconds(patience.timeout_seconds)
    if phase:
        return f"not done after {waited} (it is {phase}); it goes on. See: kubectl caisson lock list {request.space}"
    silence = explain_silence(kube, request.namespace)
    return f"the operator has not answered within {waited}: {silence}. The request stands; to take it back: {request.withdrawal}"


def _status(manifest: Manifest) -> Manifest:
    return manifest.get("status") or {}


def _release(manifest: Manifest) -> Manifest:
    return _status(manifest).get("release") or {}


def _tell_ready(status: Manifest) -> str:
    ready = next((each for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
    if ready is None:
        return "the operator has not looked at it yet"
    return "Ready" if ready["status"] == "True" else f"not ready: {ready['reason']}: {one_line(ready.get('message'))}"


def _percent(status: Manifest) -> str:
    return f"{status['contention']}%" if "contention" in status else "-"


def _age(lock: Manifest, now: datetime) -> str:
    since = read_moment(lock.get("heldSince"))
    return format_seconds((now - since).total_seconds()) if since else "-"
