"""What the one leading replica runs: kopf's watches, the queue that works, the resync and the canary."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from caisson_operator.api.definition import GROUP
from caisson_operator.canary import Canary
from caisson_operator.effects.kube import KubeError
from caisson_operator.effects.room_context import RoomContext
from caisson_operator.handlers import register_handlers
from caisson_operator.kind import Kinds
from caisson_operator.reconcile import Key, Reconciler
from caisson_operator.served import Namespaces, Served, find_served
from caisson_operator.settings import Settings
from caisson_operator.telemetry.health import Health
from caisson_operator.telemetry.logs import log_event
from caisson_operator.telemetry.watch_ages import WatchAges
from caisson_operator.work_queue import WorkQueue

RESYNC_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Leader:
    """Made anew when this replica begins to lead; it holds nothing that a successor would miss."""

    def __init__(self, settings: Settings, context: RoomContext, kinds: Kinds, health: Health) -> None:
        self._settings, self._kube, self._kinds, self._health = settings, context.kube, kinds, health
        self._ages = WatchAges(context.metrics, time.monotonic)
        self._rooms = {kind.name: kind.build_room(context) for kind in kinds}
        self._reconcilers: dict[str, Reconciler[Any, Any]] = {
            kind.name: Reconciler(kind, self._rooms[kind.name], context.kube, context.metrics, settings.identity)
            for kind in kinds
        }
        self._queue: WorkQueue[Key] = WorkQueue(lambda key: self._reconcilers[key.kind].reconcile(key))

    async def run(self, stop: asyncio.Event, resign: Callable[[], Awaitable[None]]) -> None:
        """Until `stop` is set; then nothing acts any more, `resign` is called, and kopf takes its time to end.

        Raises (in a group) what any part raised, after stopping the others.
        """
        served = await find_served(self._kube, self._kinds, self._watched, stop)
        if served is None:
            return
        canary = Canary(
            self._kube, _canary_namespace(self._settings, served.namespaces), self._settings.identity, self._hear_canary
        )
        async with asyncio.TaskGroup() as group:
            workers = [
                group.create_task(self._queue.run()),
                group.create_task(self._resync_forever(served, stop)),
                group.create_task(canary.touch_forever()),
            ]
            group.create_task(self._watch(served, canary, stop))
            await stop.wait()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            for room in self._rooms.values():
                await room.close()
            await resign()

    async def _watch(self, served: Served, canary: Canary, stop: asyncio.Event) -> None:
        """kopf takes the process's signals for itself as it starts; once it has, they are given back to `stop`."""
        registry, kopf_settings = kopf.OperatorRegistry(), build_kopf_settings()
        kopf.on.login(registry=registry, id="login")(_login)
        register_handlers(
            registry, kopf_settings, served.kinds, self._queue.add, self._ages.heard, self._settings.reads_nodes
        )
        canary.register(registry, kopf_settings)
        others = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=kopf_settings,
            standalone=True,
            clusterwide=self._settings.is_cluster_wide,
            namespaces=[namespace for namespace in served.namespaces if namespace],
            stop_flag=stop,
        )
        stop_on_signals(stop)
        try:
            await kopf.run_tasks(tasks, ignored=others)
        finally:
            stop.set()

    @property
    def _watched(self) -> Namespaces:
        return self._settings.watch_namespaces or (None,)

    def _hear_canary(self) -> None:
        self._health.canary_heard_at = time.monotonic()
        self._ages.heard("ConfigMap")

    async def _resync_forever(self, served: Served, stop: asyncio.Event) -> None:
        """Whatever a watch has lost is found here; and a namespace or a kind that is back, which no watch would tell of."""
        while True:
            for kind in self._kinds:
                for namespace in self._watched:
                    try:
                        manifests = await self._kube.list(kind.api_version, kind.name, namespace)
                    except KubeError as error:
                        log_event(_log, logging.WARNING, "resync_failed", kind=kind.name, error=str(error))
                        continue
                    if (kind.name, namespace) not in served.listed:
                        log_event(_log, logging.WARNING, "is_back_beginning_anew", kind=kind.name, namespace=namespace)
                        stop.set()
                    for manifest in manifests:
                        metadata = manifest["metadata"]
                        self._queue.add(Key(kind.name, metadata["namespace"], metadata["name"]))
            await asyncio.sleep(RESYNC_SECONDS)


def stop_on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def build_kopf_settings() -> kopf.OperatorSettings:
    """No posting, no scanning, no finalizers; every request ends, so that no watch stays deaf for long."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.queueing.worker_limit = 16
    settings.persistence.finalizer = f"{GROUP}/never-used"
    return settings


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def _canary_namespace(settings: Settings, served: Namespaces) -> str:
    """One that is watched: the operator's own where it can be."""
    if None in served or settings.namespace in served:
        return settings.namespace
    return next(namespace for namespace in served if namespace)
