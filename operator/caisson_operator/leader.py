"""What the one leading replica runs: kopf's watches, the queue that works, the resync and the canary."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import kopf
from pydantic import BaseModel

from caisson_operator.api.definitions import GROUP, VERSION
from caisson_operator.api.resource import ShardedDatabase, load_sharded_database
from caisson_operator.canary import Canary
from caisson_operator.core.news import find_failover_news
from caisson_operator.core.room import Room
from caisson_operator.effects.engine_access import EngineAccess
from caisson_operator.effects.kube import Forbidden, KubeApi, KubeError
from caisson_operator.effects.room_context import RoomContext
from caisson_operator.reconcile import Key, Kind, Reconciler
from caisson_operator.settings import Settings
from caisson_operator.sharded_database.handlers import register_handlers
from caisson_operator.telemetry.health import Health
from caisson_operator.telemetry.logs import log_event
from caisson_operator.telemetry.watch_ages import WatchAges
from caisson_operator.work_queue import WorkQueue

RESYNC_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 2.0
KIND = Kind(f"{GROUP}/{VERSION}", "ShardedDatabase", load_sharded_database, find_failover_news)

Namespaces = tuple[str | None, ...]
"""Namespaces to look after; None stands for all of them."""
RoomFactory = Callable[[RoomContext], Room[ShardedDatabase, Any, BaseModel]]

_log = logging.getLogger(__name__)


class Leader:
    """Made anew when this replica begins to lead; it holds nothing that a successor would miss."""

    def __init__(self, settings: Settings, context: RoomContext, build_room: RoomFactory, health: Health) -> None:
        self._settings, self._kube, self._health = settings, context.kube, health
        self._ages = WatchAges(context.metrics, time.monotonic)
        access = EngineAccess(context.kube, settings.engine_cluster_role)
        self._room = build_room(context)
        reconciler = Reconciler(
            KIND, self._room, context.kube, context.metrics, settings.identity, prepare=access.prepare
        )
        self._queue: WorkQueue[Key] = WorkQueue(reconciler.reconcile)

    async def run(self, stop: asyncio.Event, resign: Callable[[], Awaitable[None]]) -> None:
        """Until `stop` is set; then nothing acts any more, `resign` is called, and kopf takes its time to end.

        Raises (in a group) what any part raised, after stopping the others.
        """
        served = await find_served(self._kube, self._settings.watch_namespaces or (None,), stop)
        if not served:
            return
        canary = Canary(
            self._kube, _canary_namespace(self._settings, served), self._settings.identity, self._hear_canary
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
            await self._room.close()
            await resign()

    async def _watch(self, served: Namespaces, canary: Canary, stop: asyncio.Event) -> None:
        """kopf takes the process's signals for itself as it starts; once it has, they are given back to `stop`."""
        registry, kopf_settings = kopf.OperatorRegistry(), build_kopf_settings()
        kopf.on.login(registry=registry, id="login")(_login)
        register_handlers(registry, kopf_settings, self._notify, self._ages.heard)
        canary.register(registry, kopf_settings)
        others = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=kopf_settings,
            standalone=True,
            clusterwide=self._settings.is_cluster_wide,
            namespaces=[namespace for namespace in served if namespace],
            stop_flag=stop,
        )
        stop_on_signals(stop)
        try:
            await kopf.run_tasks(tasks, ignored=others)
        finally:
            stop.set()

    def _notify(self, namespace: str, name: str) -> None:
        self._queue.add(Key(namespace, name))

    def _hear_canary(self) -> None:
        self._health.canary_heard_at = time.monotonic()
        self._ages.heard("ConfigMap")

    async def _resync_forever(self, served: Namespaces, stop: asyncio.Event) -> None:
        """Whatever a watch has lost is found here; and a namespace that is back, which no watch would tell of."""
        while True:
            for namespace in self._settings.watch_namespaces or (None,):
                try:
                    manifests = await self._kube.list(KIND.api_version, KIND.name, namespace)
                except KubeError as error:
                    log_event(_log, logging.WARNING, "resync_failed", error=str(error))
                    continue
                if namespace not in served:
                    log_event(_log, logging.WARNING, "namespace_is_back_beginning_anew", namespace=namespace)
                    stop.set()
                for manifest in manifests:
                    self._notify(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
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


async def find_served(kube: KubeApi, namespaces: Namespaces, stop: asyncio.Event) -> Namespaces:
    """Those in which our kind can be listed, once there is one: a watch that is refused would end those of all.

    A namespace that has been deleted answers 403, since the rights in it went with it; any other error is waited for.
    kopf looks once which kinds there are, so it must not start before ours is among them. Empty when `stop` was set.
    """
    while not stop.is_set():
        answers = [await _list_once(kube, namespace) for namespace in namespaces]
        served = tuple(name for name, error in zip(namespaces, answers, strict=True) if error is None)
        if served and all(error is None or isinstance(error, Forbidden) for error in answers):
            return served
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return ()


async def _list_once(kube: KubeApi, namespace: str | None) -> KubeError | None:
    try:
        await kube.list(KIND.api_version, KIND.name, namespace)
    except KubeError as error:
        log_event(_log, logging.WARNING, "definition_not_served", error=str(error))
        return error
    return None
