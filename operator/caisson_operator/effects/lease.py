"""The Lease object behind the election: reads, compare-and-set writes, and the loop of candidacy and renewal.

The elector renews; it does not stop the process. `LeaderDeadline` (leadership.py) does, from a thread of its own. All of
one elector's calls belong on one loop, which application.py keeps free of everything else.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from caisson_operator.core.leadership import (
    Claim,
    Follow,
    LeaseRecord,
    Sighting,
    Timing,
    decide_candidacy,
    follow_record,
)
from caisson_operator.telemetry.logs import log_event

from .kube import Conflict, KubeApi, KubeError, Manifest, ObjectRef

TERM_ANNOTATION = "caisson.dev/term"

_log = logging.getLogger(__name__)


class LeadershipLost(Exception):
    """Another holds the Lease, or it is gone: this process may not act any more."""


@dataclass(frozen=True, slots=True)
class LeaseName:
    namespace: str
    name: str

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef("coordination.k8s.io/v1", "Lease", self.namespace, self.name)


class LeaseElector:
    """One candidate. `acquire` returns once it leads; `renew_until_lost` then holds the Lease for as long as it can."""

    def __init__(
        self,
        kube: KubeApi,
        lease: LeaseName,
        identity: str,
        timing: Timing,
        on_contact: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`on_contact(moment)` is told the monotonic time just before each request that the API server then answered."""
        self._kube, self._lease, self._identity, self._timing = kube, lease, identity, timing
        self._on_contact, self._monotonic, self._wall_clock = on_contact, monotonic, wall_clock
        self._sighting: Sighting | None = None
        self._held: LeaseRecord | None = None
        self.last_renewed = float("-inf")

    async def acquire(self) -> int:
        """Wait until we lead; the answer is our term."""
        while True:
            try:
                held = await self._try_acquire()
            except KubeError as error:
                log_event(_log, logging.WARNING, "lease_poll_failed", error=str(error))
                held = None
            if held is not None:
                return held.term
            await asyncio.sleep(self._timing.retry)

    async def _try_acquire(self) -> LeaseRecord | None:
        began = self._monotonic()
        manifest = await self._kube.get(self._lease.ref, self._timing.request)
        self._on_contact(began)
        if manifest is None:
            self._sighting = None
        else:
            self._sighting = follow_record(self._sighting, read_record(manifest), self._monotonic())
        now = self._wall_clock()
        match decide_candidacy(self._identity, self._sighting, self._monotonic(), int(now.timestamp())):
            case Follow():
                return None
            case Claim(term, over):
                return await self._claim(term, over, now)

    async def _claim(self, term: int, over: LeaseRecord | None, now: datetime) -> LeaseRecord | None:
        stamp = _micro_time(now)
        transitions = over.transitions + 1 if over else 0
        version = over.version if over else ""
        wanted = LeaseRecord(self._identity, term, self._timing.duration, stamp, stamp, transitions, version)
        try:
            return await self._write(wanted)
        except Conflict:
            return None

    async def renew_until_lost(self) -> None:
        """Renews until it is told that another leads (raises LeadershipLost); a failed request is tried again."""
        while True:
            await asyncio.sleep(self._timing.retry)
            try:
                await self._renew()
            except KubeError as error:
                log_event(_log, logging.WARNING, "lease_renewal_failed", error=str(error))

    async def _renew(self) -> LeaseRecord:
        assert self._held is not None, "only a holder renews"
        wanted = replace(self._held, renewed_at=_micro_time(self._wall_clock()))
        try:
            return await self._write(wanted)
        except Conflict:
            await self._read_own()
            raise

    async def _read_own(self) -> None:
        """An earlier write whose answer was lost moves the version; the Lease is still ours if it names us."""
        manifest = await self._kube.get(self._lease.ref, self._timing.request)
        record = read_record(manifest) if manifest else None
        if record is None or record.holder != self._identity:
            raise LeadershipLost(f"the lease {self._lease.name} is held by {record.holder if record else 'nobody'}")
        self._held = record

    async def release(self) -> None:
        """Let the next one lead at once. Call it only when nothing of this process acts any more."""
        if self._held is not None:
            await self._write(replace(self._held, holder="", duration_seconds=1))
            self._held = None

    async def _write(self, wanted: LeaseRecord) -> LeaseRecord:
        began = self._monotonic()
        manifest = build_lease(self._lease, wanted)
        write = self._kube.replace if wanted.version else self._kube.create
        self._held = read_record(await write(manifest, self._timing.request))
        self.last_renewed = began
        self._on_contact(began)
        return self._held


def read_record(manifest: Manifest) -> LeaseRecord:
    spec: dict[str, Any] = manifest.get("spec") or {}
    annotations = manifest["metadata"].get("annotations") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        term=int(annotations.get(TERM_ANNOTATION, 0)),
        duration_seconds=float(spec.get("leaseDurationSeconds") or 0),
        renewed_at=spec.get("renewTime") or "",
        acquired_at=spec.get("acquireTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
        version=manifest["metadata"]["resourceVersion"],
    )


def build_lease(lease: LeaseName, record: LeaseRecord) -> Manifest:
    metadata: dict[str, Any] = {
        "name": lease.name,
        "namespace": lease.namespace,
        "annotations": {TERM_ANNOTATION: str(record.term)},
    }
    if record.version:
        metadata["resourceVersion"] = record.version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": int(record.duration_seconds),
            "acquireTime": record.acquired_at,
            "renewTime": record.renewed_at,
            "leaseTransitions": record.transitions,
        },
    }


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
