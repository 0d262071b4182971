"""The room of ShardedDatabase as the frame sees it: observe, decide, act, build_status (core/room.py)."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import psycopg
from psycopg.conninfo import make_conninfo

from caisson_operator.api.resource import ShardedDatabase
from caisson_operator.api.sharded_database_status import ShardedDatabaseStatus
from caisson_operator.core.decisions import Decision, HeldUp, Refused, Step
from caisson_operator.core.layout import DATABASE, OWNER_ROLE, REPLICATION_ROLE, SUPERUSER
from caisson_operator.effects.engine_access import ENGINE_ACCOUNT
from caisson_operator.effects.kube import KubeApi, ObjectRef
from caisson_operator.effects.patroni import (
    Member,
    SwitchoverRefused,
    SwitchoverUnfinished,
    build_member,
    patch_settings,
    request_switchover,
)
from caisson_operator.effects.postgres.sessions import Sessions
from caisson_operator.effects.room_context import RoomContext

from . import steps
from .act_on_shards import ShardActor
from .credentials import Credentials, build_credentials, read_credentials
from .decide import decide
from .manifests import ShardNames, build_address, build_credentials_secret, credentials_name
from .manifests.names import RESTAPI_PORT
from .observe import observe_database
from .observed import Observed
from .recorded import read_recorded
from .status import build_status
from .switchover import LOOK_AGAIN_SECONDS, REFUSED_BY_PATRONI, UNFINISHED
from .wanted import Engine, Wanted, read_wanted

PASSFILE = "/run/caisson/passfile"  # in the engine's pods: workloads/postgres
PASSWORD_BYTES = 24
# An index build on the target blocks its apply for longer than the 3 s within which failover wants to know a dead sender.
SUBSCRIPTION_OPTIONS = "-c wal_sender_timeout=60s"
# SQLSTATE classes that say that the server, not the migration, is at fault: these are tried again.
_SERVERS_FAULT = ("08", "40", "53", "55", "57", "58")

ObservePause = Callable[[str, float], None]


@dataclass(slots=True)
class ShardedDatabaseRoom:
    """One leader's room. Keeps open sessions, and times only to measure with: a crash loses a figure, nothing else.

    `observe_pause` takes `namespace/name` and seconds.
    """

    kube: KubeApi
    term: int
    engine: Engine
    observe_pause: ObservePause
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _actors: dict[str, tuple[Credentials, ShardActor]] = field(default_factory=dict)
    _asked_at: dict[str, dict[str, datetime]] = field(default_factory=dict)

    async def observe(self, resource: ShardedDatabase) -> Observed:
        wanted = self._read(resource)
        actor = await self._actor(wanted)
        observed = await observe_database(self.kube, actor.sessions if actor else None, wanted, self.clock())
        asked_at = self._asked_at.get(_key(wanted), {})
        return replace(observed, recorded=read_recorded(resource.status), asked_at=asked_at)

    def decide(self, resource: ShardedDatabase, observed: Observed) -> Decision:
        return decide(self._read(resource), observed)

    async def act(self, resource: ShardedDatabase, step: Step) -> None:
        wanted = self._read(resource)
        match step:
            case steps.CreateCredentials():
                made = build_credentials(lambda _: secrets.token_urlsafe(PASSWORD_BYTES))
                await self.kube.create_once(build_credentials_secret(wanted.database, made))
            case steps.ApplyObjects():
                for manifest in step.manifests:
                    await self.kube.apply(manifest)
            case steps.ConfigureShard():
                await self._configure(wanted, step)
            case steps.SwitchOver():
                await self._switch_over(wanted, step)
            case steps.ApplyMigration():
                await self._migrate(wanted, step)
            case _:
                await self._act_on_shards(wanted, step)

    def build_status(self, resource: ShardedDatabase, observed: Observed, decision: Decision) -> ShardedDatabaseStatus:
        return build_status(self._read(resource), observed, decision)

    async def close(self) -> None:
        for _, actor in self._actors.values():
            await actor.sessions.close()

    def _read(self, resource: ShardedDatabase) -> Wanted:
        return read_wanted(resource, self.engine)

    async def _act_on_shards(self, wanted: Wanted, step: Step) -> None:
        actor = await self._actor(wanted)
        if actor is None:
            raise _credentials_gone(wanted)
        await actor.act(step)

    async def _configure(self, wanted: Wanted, step: steps.ConfigureShard) -> None:
        await patch_settings(await self._reach(wanted, step.shard, step.member), step.settings)

    async def _switch_over(self, wanted: Wanted, step: steps.SwitchOver) -> None:
        """What Patroni answers is a finding about the request, and no failure of the reconcile."""
        leader = await self._reach(wanted, step.shard, step.leader)
        self._asked_at[_key(wanted)] = {step.request: self.clock()}
        try:
            await request_switchover(leader, step.member)
        except SwitchoverRefused as refused:
            raise HeldUp(REFUSED_BY_PATRONI, str(refused), LOOK_AGAIN_SECONDS) from refused
        except SwitchoverUnfinished as unfinished:
            raise HeldUp(UNFINISHED, str(unfinished), LOOK_AGAIN_SECONDS) from unfinished

    async def _reach(self, wanted: Wanted, shard: str, member: str) -> Member:
        credentials = await self._read_credentials(wanted)
        if credentials is None:
            raise _credentials_gone(wanted)
        names = ShardNames(wanted.database.name, shard)
        return build_member(member, names.pods, wanted.database.namespace, RESTAPI_PORT, credentials.restapi)

    async def _migrate(self, wanted: Wanted, step: steps.ApplyMigration) -> None:
        try:
            await self._act_on_shards(wanted, step)
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate[:2] in _SERVERS_FAULT:
                raise
            told = f"migration {step.id} failed on {step.shard} with {error.sqlstate}: {error.diag.message_primary}"
            raise Refused("MigrationFailed", f"{told}. Nothing of it was kept; correct its text") from error

    async def _actor(self, wanted: Wanted) -> ShardActor | None:
        """None while there are no credentials. Sessions are made anew when those have changed."""
        key = _key(wanted)
        known = self._actors.get(key)
        credentials = await self._read_credentials(wanted)
        if known and known[0] == credentials:
            return known[1]
        if known:
            await self._actors.pop(key)[1].sessions.close()
        if credentials is None:
            return None
        self._actors[key] = (credentials, self._build_actor(wanted, credentials, key))
        return self._actors[key][1]

    async def _read_credentials(self, wanted: Wanted) -> Credentials | None:
        ref = ObjectRef("v1", "Secret", wanted.database.namespace, credentials_name(wanted.database.name))
        secret = await self.kube.get(ref)
        return read_credentials(secret["data"]) if secret else None

    def _build_actor(self, wanted: Wanted, credentials: Credentials, key: str) -> ShardActor:
        def reach(shard: str, user: str, **rest: str) -> str:
            address = build_address(wanted.database, shard)
            return make_conninfo(host=address.host, port=str(address.port), dbname=DATABASE, user=user, **rest)

        sessions = Sessions(
            lambda shard: reach(shard, SUPERUSER, password=credentials.superuser),
            lambda shard: reach(shard, OWNER_ROLE, password=credentials.owner),
            self.term,
        )
        return ShardActor(
            wanted.database.name,
            sessions,
            lambda shard: reach(shard, REPLICATION_ROLE, passfile=PASSFILE, options=SUBSCRIPTION_OPTIONS),
            lambda seconds: self.observe_pause(key, seconds),
        )


def _key(wanted: Wanted) -> str:
    return f"{wanted.database.namespace}/{wanted.database.name}"


def _credentials_gone(wanted: Wanted) -> LookupError:
    return LookupError(f"the Secret {credentials_name(wanted.database.name)} has gone")


def build_room(context: RoomContext) -> ShardedDatabaseRoom:
    engine = Engine(context.postgres_image, ENGINE_ACCOUNT)
    return ShardedDatabaseRoom(context.kube, context.term, engine, context.metrics.expansion.observe_switch_pause)
