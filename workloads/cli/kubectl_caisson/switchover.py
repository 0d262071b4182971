"""`switchover`: a request in an annotation, and the operator's answer to it in the status.

The request has an id of its own, so that an answer to an earlier request is never taken for the answer to this one. It is polled
rather than watched: that needs no right but `get`, and a read each half second for a minute is nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import NotSo, Unreachable
from .kube import Kube, database_path
from .layout import format_seconds, one_line
from .release import explain_silence
from .resource import Database, Switchover, read_database

ANNOTATION = "caisson.dev/switchover"
ANY_MEMBER = "any"
POLL_SECONDS = 0.5
_UNDER_WAY = ("Requested", "Running")


@dataclass(frozen=True, slots=True)
class Request:
    namespace: str
    database: str
    shard: str
    member: str | None
    id: str

    @property
    def text(self) -> str:
        return f"{self.shard}/{self.member or ANY_MEMBER}/{self.id}"

    @property
    def path(self) -> str:
        return database_path(self.namespace, self.database)

    @property
    def withdrawal(self) -> str:
        """What takes an unanswered request back."""
        return f"kubectl annotate sdb {self.database} -n {self.namespace} {ANNOTATION}-"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and how time passes; `pause` is called with seconds."""

    timeout_seconds: float
    monotonic: Callable[[], float]
    pause: Callable[[float], None]


def explain_refusal(database: Database, request: Request) -> str | None:
    """What speaks against asking at all. The rest is the operator's to judge, who sees more than the status."""
    names = [shard.name for shard in database.shards]
    if names and request.shard not in names:
        return f"{database.name} has no shard {request.shard}: it has {', '.join(names)}"
    last = database.switchover
    if last and last.phase in _UNDER_WAY and last.request == _id_of(database.annotations.get(ANNOTATION)):
        return f"a switchover of {one_line(last.shard)} is under way (request {last.request}, {last.phase}): wait for it to end"
    primary = next((shard.primary for shard in database.shards if shard.name == request.shard), None)
    if request.member and request.member == primary:
        return f"{request.member} is the primary of {request.shard} already"
    return None


def ask(kube: Kube, request: Request) -> None:
    """Raises NotSo before anything is written."""
    refusal = explain_refusal(read_database(kube.get(request.path)), request)
    if refusal:
        raise NotSo(refusal)
    kube.merge_patch(request.path, {"metadata": {"annotations": {ANNOTATION: request.text}}})


def follow(kube: Kube, request: Request, patience: Patience, tell: Callable[[str], None]) -> str:
    """Until it is done: returns what the operator says of it. Raises NotSo for every other end; `tell` hears of each phase on the way."""
    began, told = patience.monotonic(), ""
    while True:
        answer, said = _look(kube, request)
        if answer and answer.phase == "Done":
            return said
        if answer and answer.phase in ("Refused", "Failed"):
            raise NotSo(said)
        if said != told:
            tell(said)
            told = said
        if patience.monotonic() - began >= patience.timeout_seconds:
            raise NotSo(_explain_timeout(kube, request, answer, patience))
        patience.pause(POLL_SECONDS)


def _look(kube: Kube, request: Request) -> tuple[Switchover | None, str]:
    """The operator's answer so far, and a line about it. A read that fails is told and followed by another."""
    try:
        manifest = kube.get(request.path)
    except Unreachable as error:
        return None, f"{error}; the request stands, looking again"
    answer = find_answer(manifest, request)
    if answer is None:
        return None, f"asked for {request.text}; waiting for the operator"
    route = f"{one_line(answer.origin)} -> {one_line(answer.successor or request.member)}"
    message = f": {one_line(answer.message)}" if answer.message else ""
    return answer, f"{answer.phase}: {request.shard}, {route}{message}"


def find_answer(manifest: Mapping[str, Any], request: Request) -> Switchover | None:
    """Raises NotSo if somebody else's request has taken the place of this one before it was answered."""
    database = read_database(manifest)
    if database.switchover and database.switchover.request == request.id:
        return database.switchover
    asked = database.annotations.get(ANNOTATION)
    if asked is not None and asked != request.text:
        raise NotSo(f"another request ({asked}) has replaced this one ({request.text}), which was not carried out")
    return None


def _explain_timeout(kube: Kube, request: Request, answer: Switchover | None, patience: Patience) -> str:
    waited = format_seconds(patience.timeout_seconds)
    if answer is not None:
        return f"not done after {waited} (it is {answer.phase}); it goes on. See: kubectl caisson status {request.database}"
    silence = explain_silence(kube, request.namespace)
    return (
        f"the operator has not answered within {waited}: {silence}. "
        f"The request stands and is carried out once an operator sees it; to take it back: {request.withdrawal}"
    )


def _id_of(annotation: str | None) -> str | None:
    return annotation.rsplit("/", 1)[-1] if annotation else None
