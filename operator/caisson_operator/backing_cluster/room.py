"""The room of BackingCluster as the frame sees it: observe, decide, act, build_status (core/room.py)."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from caisson_operator.api.backing_cluster_status import BackingClusterStatus
from caisson_operator.api.resource import BackingCluster
from caisson_operator.core.certificates import ServerAccess
from caisson_operator.core.decisions import Decision, HeldUp, Step
from caisson_operator.core.images import Images
from caisson_operator.core.replacing import ReplaceMember
from caisson_operator.core.volumes import GrowVolume
from caisson_operator.effects import redis, zookeeper
from caisson_operator.effects.kube import KubeApi
from caisson_operator.effects.members import MemberActor
from caisson_operator.effects.room_context import RoomContext

from . import steps
from .act_on_certificates import create_authority, issue
from .decide import LOOK_AGAIN_SECONDS, decide
from .manifests import Names, Passwords, build_credentials, build_epoch, build_leading
from .manifests.names import (
    ELECTION_PORT,
    PEER_PORT,
    REDIS_PORT,
    SENTINEL_PORT,
    ZOOKEEPER_LOCAL_PORT,
    ZOOKEEPER_PORT,
)
from .observe import observe_cluster, read_access
from .observed import Observed
from .status import build_status
from .wanted import Wanted, read_wanted

PASSWORD_BYTES = 24


@dataclass(slots=True)
class BackingClusterRoom:
    """Every connection is opened for one question."""

    kube: KubeApi
    images: Images
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    reads_nodes: bool = False
    _members: MemberActor = field(init=False)

    def __post_init__(self) -> None:
        self._members = MemberActor(self.kube, self.clock)

    async def observe(self, resource: BackingCluster) -> Observed:
        wanted = self._read(resource)
        observed = await observe_cluster(self.kube, wanted, resource.status, self.clock(), self.reads_nodes)
        refusals = self._members.recall_refusals(wanted.owner.namespace, wanted.storage_size)
        return replace(observed, refusals=refusals)

    def decide(self, resource: BackingCluster, observed: Observed) -> Decision:
        return decide(self._read(resource), observed)

    async def act(self, resource: BackingCluster, step: Step) -> None:
        wanted = self._read(resource)
        match step:
            case steps.MakeCredentials():
                await self.kube.create_once(build_credentials(wanted, _build_passwords()))
            case steps.MakeAuthority():
                await create_authority(self.kube, wanted, self.clock())
            case steps.IssueCertificate():
                await issue(self.kube, wanted, self.clock())
            case steps.MakeEpoch():
                await self.kube.create_once(build_epoch(wanted, step.number))
            case steps.MakeLeading():
                await self.kube.create_once(build_leading(wanted))
            case steps.Apply():
                for manifest in step.manifests:
                    await self.kube.apply(manifest)
            case steps.Evict():
                await self._members.evict(wanted.owner.namespace, step.member, step.uid)
            case GrowVolume():
                await self._members.grow(wanted.owner.namespace, step)
            case ReplaceMember():
                await self._members.replace(wanted.owner.namespace, step)
            case _:
                await self._tell_members(wanted, step)

    def build_status(self, resource: BackingCluster, observed: Observed, decision: Decision) -> BackingClusterStatus:
        return build_status(self._read(resource), observed, decision)

    async def close(self) -> None:
        """Nothing is held open."""

    def _read(self, resource: BackingCluster) -> Wanted:
        return read_wanted(resource, self.images)

    async def _tell_members(self, wanted: Wanted, step: Step) -> None:
        access = await read_access(self.kube, wanted)
        names, cluster = Names(wanted.owner.name, wanted.owner.namespace), wanted.owner.name
        match step:
            case steps.SetLeastReplicas():
                await redis.set_least_replicas(step.address, REDIS_PORT, access, step.least)
            case steps.SetPriority():
                await redis.set_priority(step.address, REDIS_PORT, access, step.priority)
            case steps.SetQuorum():
                await redis.set_quorum(step.address, SENTINEL_PORT, access, cluster, step.quorum)
            case steps.ForgetMembers():
                await redis.forget_members(step.address, SENTINEL_PORT, access, cluster)
            case steps.HandOver():
                await self._hand_over(step, access, cluster)
            case steps.AddMember():
                line = _describe(names, step.number)
                await zookeeper.add_member(_hosts(step.addresses), access, line, step.version)
            case steps.RemoveMember():
                await zookeeper.remove_member(_hosts(step.addresses), access, step.number, step.version)
            case _:
                raise TypeError(f"no step of this room: {step!r}")

    async def _hand_over(self, step: steps.HandOver, access: ServerAccess, cluster: str) -> None:
        try:
            await redis.ask_for_failover(step.address, SENTINEL_PORT, access, cluster)
        except redis.RedisUnreachable as error:
            raise HeldUp(
                "HandOverRefused", f"Sentinel did not begin a failover: {error}", LOOK_AGAIN_SECONDS
            ) from error
        raise HeldUp("HandingOver", "waiting for another member to lead", LOOK_AGAIN_SECONDS)


def _describe(names: Names, number: int) -> str:
    """As workloads/zookeeper/zookeeper_member/member.py has it."""
    ports = f"{PEER_PORT}:{ELECTION_PORT}:participant;127.0.0.1:{ZOOKEEPER_LOCAL_PORT}"
    return f"server.{number}={names.member_host(number - 1)}:{ports}"


def _hosts(addresses: tuple[str, ...]) -> str:
    return ",".join(f"{address}:{ZOOKEEPER_PORT}" for address in addresses)


def _build_passwords() -> Passwords:
    return Passwords(secrets.token_urlsafe(PASSWORD_BYTES), secrets.token_urlsafe(PASSWORD_BYTES))


def build_room(context: RoomContext) -> BackingClusterRoom:
    return BackingClusterRoom(context.kube, context.images, reads_nodes=context.reads_nodes)
