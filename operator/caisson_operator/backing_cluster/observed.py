"""What was seen of a cluster: frozen values, and the questions that the decisions ask of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from caisson_operator.core.certificates import Authority, ServerCertificate
from caisson_operator.core.volumes import Volume

from .manifests import Passwords
from .wanted import Wanted

SERVING = ("leader", "follower", "observer")


@dataclass(frozen=True, slots=True)
class Pod:
    name: str
    ordinal: int
    uid: str
    address: str
    template: str
    is_ready: bool
    is_leaving: bool
    trouble: str = ""
    """Why it does not come up, where Kubernetes says so."""
    node: str = ""
    unready_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class RedisView:
    """A member's server, and in a replicated cluster its Sentinel (None while that does not answer)."""

    is_primary: bool
    is_linked: bool
    epoch: int
    least_replicas: int
    replicas: int
    priority: int = 100
    """0: it is never promoted."""
    sentinel_leader: str | None = None
    quorum: int = 0
    other_sentinels: int = 0
    known_replicas: int = 0


@dataclass(frozen=True, slots=True)
class ZooKeeperView:
    mode: str
    members: tuple[tuple[int, str], ...]
    version: int
    certified_at: datetime
    """When the certificate that it shows began to be valid."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The ConfigMap: the highest number that was ever given, and to whom."""

    number: int
    member: str


@dataclass(frozen=True, slots=True)
class Observed:
    now: datetime
    contents: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Kind and name of each object that is there -> the hash of what was applied."""
    passwords: Passwords | None = None
    credentials_uid: str = ""
    authority: Authority | None = None
    authority_uid: str = ""
    certificate: ServerCertificate | None = None
    """What the members mount."""
    volumes: tuple[Volume, ...] = ()
    claimed_size: str = ""
    """What the StatefulSet makes its claims with; empty before it is made."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Claim -> why the API server has refused, not long ago, to let it grow to the size that is wanted."""
    epoch: Epoch | None = None
    has_leading: bool = False
    """Whether there are Endpoints for the agents to write to."""
    is_formed: bool = False
    replicas: int | None = None
    """Pods that the StatefulSet is to have; None before it is made."""
    pods: tuple[Pod, ...] = ()
    redis: Mapping[str, RedisView] = field(default_factory=dict)
    zookeeper: Mapping[str, ZooKeeperView] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    """Member -> what came of asking it."""
    status: Mapping[str, Any] = field(default_factory=dict)
    """What was told last: only since when a leader leads is taken from it."""

    @property
    def has_volumes(self) -> bool:
        return bool(self.volumes)

    def pod(self, name: str) -> Pod | None:
        return next((pod for pod in self.pods if pod.name == name), None)


def find_leader(wanted: Wanted, observed: Observed) -> str | None:
    """The member that takes writes. Two may think so for a while: of two primaries, that of the higher epoch."""
    if not wanted.is_redis:
        return next((name for name, view in sorted(observed.zookeeper.items()) if view.mode == "leader"), None)
    if not wanted.is_replicated:
        return None
    serving = [(view.epoch, name) for name, view in observed.redis.items() if view.is_primary and view.epoch]
    return max(serving, default=(0, None))[1]


def list_serving(wanted: Wanted, observed: Observed) -> tuple[str, ...]:
    """Members that serve, by what they say themselves."""
    if not wanted.is_redis:
        return tuple(sorted(name for name, view in observed.zookeeper.items() if view.mode in SERVING))
    views = sorted(observed.redis.items())
    return tuple(name for name, view in views if (view.epoch > 0 if view.is_primary else view.is_linked))


def is_served(wanted: Wanted, observed: Observed) -> bool:
    """Clients can do what they came for."""
    if not wanted.is_replicated:
        return len(list_serving(wanted, observed)) >= wanted.majority
    leader = find_leader(wanted, observed)
    if leader is None:
        return False
    view = observed.redis.get(leader)
    return view is None or view.replicas >= view.least_replicas


@dataclass(frozen=True, slots=True)
class Ensemble:
    """ZooKeeper's own list of its members, as its leader has it."""

    participants: frozenset[int]
    version: int


def find_ensemble(observed: Observed) -> Ensemble | None:
    """None while there is no leader, which is the only one whose list can be relied upon."""
    led = [view for view in observed.zookeeper.values() if view.mode == "leader"]
    if len(led) != 1:
        return None
    numbers = frozenset(number for number, role in led[0].members if role == "participant")
    return Ensemble(numbers, led[0].version)
