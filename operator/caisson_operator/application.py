"""The life of one replica: serve telemetry, wait for the Lease, lead until told to stop, let the Lease go."""

import asyncio
import logging
import time

from caisson_operator.effects.kube import KubeApi, KubeError
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.effects.lease import LeadershipLost, LeaseElector, LeaseName
from caisson_operator.effects.room_context import RoomContext
from caisson_operator.kind import Kinds
from caisson_operator.leader import Leader, stop_on_signals
from caisson_operator.leadership import LeaderDeadline, end_process
from caisson_operator.loop_thread import LoopThread
from caisson_operator.settings import Settings
from caisson_operator.telemetry.health import Health
from caisson_operator.telemetry.logs import log_event
from caisson_operator.telemetry.metrics import Metrics
from caisson_operator.telemetry.server import serve_telemetry

_log = logging.getLogger(__name__)


class Replica:
    """The Lease is asked for, renewed and let go on a loop of its own: no work of a leader's holds its renewal up."""

    def __init__(self, settings: Settings, kinds: Kinds) -> None:
        self._settings, self._kinds = settings, kinds
        self._metrics, self._health = Metrics(), Health(time.monotonic())
        self._stop = asyncio.Event()
        self._lease_loop = LoopThread("lease")

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        stop_on_signals(self._stop)
        telemetry = serve_telemetry(self._health, self._metrics, time.monotonic, self._settings.http_port)
        async with telemetry, open_kube_api() as kube, self._lease_loop as aside, aside.opened(open_kube_api()) as own:
            elector = self._build_elector(own)
            term = await self._wait_for_term(elector)
            if term is not None:
                await self._lead(kube, elector, term)
        log_event(_log, logging.INFO, "stopped", identity=self._settings.identity)

    def _build_elector(self, kube: KubeApi) -> LeaseElector:
        lease = LeaseName(self._settings.namespace, self._settings.lease_name)
        return LeaseElector(kube, lease, self._settings.identity, self._settings.timing, self._hear_lease)

    def _hear_lease(self, moment: float) -> None:
        self._health.lease_heard_at = moment

    async def _wait_for_term(self, elector: LeaseElector) -> int | None:
        """None if we are told to stop first."""
        log_event(_log, logging.INFO, "waiting_for_lease", identity=self._settings.identity)
        candidacy = asyncio.create_task(self._lease_loop.run(elector.acquire()))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({candidacy, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not self._stop.is_set():
            stopping.cancel()
            return await candidacy
        candidacy.cancel()
        await asyncio.gather(candidacy, return_exceptions=True)
        await self._release(elector)
        return None

    async def _lead(self, kube: KubeApi, elector: LeaseElector, term: int) -> None:
        log_event(_log, logging.INFO, "leading", identity=self._settings.identity, term=term)
        deadline = LeaderDeadline(lambda: elector.last_renewed, self._settings.timing.renew_deadline)
        deadline.start()
        renewal = self._lease_loop.run(_renew_or_end(elector))
        guards = [asyncio.create_task(renewal), asyncio.create_task(deadline.beat_forever())]

        async def resign() -> None:
            for guard in guards:
                guard.cancel()
            await asyncio.gather(*guards, return_exceptions=True)
            await self._release(elector)
            deadline.stop()
            self._metrics.is_leader.set(0)

        self._health.leads_since = time.monotonic()
        self._metrics.is_leader.set(1)
        context = RoomContext(kube, term, self._settings.images, self._metrics, self._settings.reads_nodes)
        try:
            await Leader(self._settings, context, self._kinds, self._health).run(self._stop, resign)
        finally:
            await resign()  # a second time is no time: what is left to do is what a failure has left

    async def _release(self, elector: LeaseElector) -> None:
        """Only a courtesy to the next one: without it the Lease runs out by itself."""
        try:
            await self._lease_loop.run(elector.release())
        except KubeError as error:
            log_event(_log, logging.WARNING, "lease_not_released", error=str(error))


async def _renew_or_end(elector: LeaseElector) -> None:
    """Ends the process from where it renews: the main loop may be busy for long."""
    try:
        await elector.renew_until_lost()
    except LeadershipLost as lost:
        end_process("leadership_lost", reason=str(lost))
