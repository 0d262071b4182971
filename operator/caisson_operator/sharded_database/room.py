"""The room of ShardedDatabase as the frame sees it: observe, decide, act, build_status (core/room.py)."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import psycopg

from caisson_operator.api.resource import ShardedDatabase
from caisson_operator.api.sharded_database_status import ShardedDatabaseStatus
from caisson_operator.core.decisions import Decision, HeldUp, Refused, Step
from caisson_operator.core.replacing import ReplaceMember
from caisson_operator.core.volumes import GrowVolume
from caisson_operator.effects.kube import KubeApi
from caisson_operator.effects.members import MemberActor
from caisson_operator.effects.patroni import (
    SwitchoverRefused,
    SwitchoverUnfinished,
    patch_settings,
    request_restart,
    request_switchover,
)
from caisson_operator.effects.room_context import RoomContext

from . import steps
from .access import Access, read_access
from .act_on_certificates import create_authority, issue
from .act_on_credentials import PASSWORD_BYTES, change_credentials
from .act_on_shards import ShardActor
from .credentials import build_credentials
from .decide import decide
from .manifests import authority_name, build_credentials_secret, credentials_name
from .manifests.names import PRIMARY, REPLICA
from .observe import observe_database
from .observed import Observed
from .recorded import read_recorded
from .status import build_status
from .switchover import LOOK_AGAIN_SECONDS, REFUSED_BY_PATRONI, UNFINISHED
from .wanted import Engine, Wanted, read_wanted

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
    reads_nodes: bool = False
    _actors: dict[str, tuple[Access, ShardActor]] = field(default_factory=dict)
    _asked_at: dict[str, dict[str, datetime]] = field(default_factory=dict)
    _members: MemberActor = field(init=False)

    def __post_init__(self) -> None:
        self._members = MemberActor(self.kube, self.clock)

    async def observe(self, resource: ShardedDatabase) -> Observed:
        wanted = self._read(resource)
        actor = await self._actor(wanted)
        sessions = actor.sessions if actor else None
        observed = await observe_database(self.kube, sessions, wanted, self.clock(), self.reads_nodes)
        asked_at = self._asked_at.get(_key(wanted), {})
        refusals = self._members.recall_refusals(wanted.database.namespace, wanted.storage_size)
        return replace(observed, recorded=read_recorded(resource.status), asked_at=asked_at, refusals=refusals)

    def decide(self, resource: ShardedDatabase, observed: Observed) -> Decision:
        return decide(self._read(resource), observed)

    async def act(self, resource: ShardedDatabase, step: Step) -> None:
        wanted = self._read(resource)
        match step:
            case steps.CreateCredentials():
                made = build_credentials(lambda _: secrets.token_urlsafe(PASSWORD_BYTES))
                await self.kube.create_once(build_credentials_secret(wanted.database, made))
            case steps.PrepareOperatorPasswords() | steps.AdoptOperatorPasswords():
                await change_credentials(self.kube, wanted.database, step)
            case steps.PrepareMemberPassword() | steps.AdoptMemberPassword() | steps.RetireMemberPassword():
                await change_credentials(self.kube, wanted.database, step)
            case steps.CreateAuthority():
                await create_authority(self.kube, wanted.database, self.clock())
            case steps.IssueCertificate():
                await issue(self.kube, wanted.database, step.shard, self.clock())
            case steps.ApplyObjects():
                for manifest in step.manifests:
                    await self.kube.apply(manifest)
            case steps.ConfigureShard():
                await self._configure(wanted, step)
            case steps.SwitchOver():
                await self._switch_over(wanted, step)
            case steps.Evict():
                await self._members.evict(wanted.database.namespace, step.member, step.uid)
            case GrowVolume():
                await self._members.grow(wanted.database.namespace, step)
            case ReplaceMember():
                await self._members.replace(wanted.database.namespace, step)
            case steps.RestartMember():
                await self._restart(wanted, step)
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
            raise _access_gone(wanted)
        await actor.act(step)

    async def _configure(self, wanted: Wanted, step: steps.ConfigureShard) -> None:
        access = await self._must_have_access(wanted)
        await patch_settings(access.reach_member(step.shard, step.member), step.settings)

    async def _switch_over(self, wanted: Wanted, step: steps.SwitchOver) -> None:
        """What Patroni answers is a finding about the request, and no failure of the reconcile."""
        leader = (await self._must_have_access(wanted)).reach_member(step.shard, step.leader)
        self._note(wanted, step.request)
        try:
            await request_switchover(leader, step.member)
        except SwitchoverRefused as refused:
            raise HeldUp(REFUSED_BY_PATRONI, str(refused), LOOK_AGAIN_SECONDS) from refused
        except SwitchoverUnfinished as unfinished:
            raise HeldUp(UNFINISHED, str(unfinished), LOOK_AGAIN_SECONDS) from unfinished

    async def _must_have_access(self, wanted: Wanted) -> Access:
        access = await read_access(self.kube, wanted.database)
        if access is None:
            raise _access_gone(wanted)
        return access

    async def _restart(self, wanted: Wanted, step: steps.RestartMember) -> None:
        member = (await self._must_have_access(wanted)).reach_member(step.shard, step.member)
        await request_restart(member, REPLICA if step.is_standby else PRIMARY)
        self._note(wanted, step.request)

    def _note(self, wanted: Wanted, request: str) -> None:
        """What was asked of Patroni, and when; of the last hour, which is longer than anything waits for."""
        now = self.clock()
        recent = {of: at for of, at in self._asked_at.get(_key(wanted), {}).items() if now - at < timedelta(hours=1)}
        self._asked_at[_key(wanted)] = {**recent, request: now}

    async def _migrate(self, wanted: Wanted, step: steps.ApplyMigration) -> None:
        try:
            await self._act_on_shards(wanted, step)
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate[:2] in _SERVERS_FAULT:
                raise
            told = f"migration {step.id} failed on {step.shard} with {error.sqlstate}: {error.diag.message_primary}"
            raise Refused("MigrationFailed", f"{told}. Nothing of it was kept; correct its text") from error

    async def _actor(self, wanted: Wanted) -> ShardActor | None:
        """None while there are no credentials, or no authority. Sessions are made anew when those have changed."""
        key = _key(wanted)
        known = self._actors.get(key)
        access = await read_access(self.kube, wanted.database)
        if known and known[0] == access:
            return known[1]
        if known:
            await self._actors.pop(key)[1].sessions.close()
        if access is None:
            return None
        self._actors[key] = (access, access.build_actor(self.term, lambda seconds: self.observe_pause(key, seconds)))
        return self._actors[key][1]


def _key(wanted: Wanted) -> str:
    return f"{wanted.database.namespace}/{wanted.database.name}"


def _access_gone(wanted: Wanted) -> LookupError:
    name = wanted.database.name
    return LookupError(f"the Secret {credentials_name(name)} or {authority_name(name)} has gone")


def build_room(context: RoomContext) -> ShardedDatabaseRoom:
    engine = Engine(context.images.postgres)
    observe_pause = context.metrics.databases.expansion.observe_switch_pause
    return ShardedDatabaseRoom(context.kube, context.term, engine, observe_pause, reads_nodes=context.reads_nodes)
