"""Who a member is and who its fellows are, from the environment of its pod. Pure but for the passwords' files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REDIS_PORT, SENTINEL_PORT = 6379, 26379
# For who is in the pod; over the network there is TLS alone.
SOCKET, SENTINEL_SOCKET = "/run/caisson/redis.sock", "/run/caisson/sentinel.sock"
DATA = Path("/var/lib/caisson/redis")
SENTINEL_FILE = Path("/var/lib/caisson/sentinel/sentinel.conf")
REDIS_FILE = Path("/run/caisson/redis.conf")
CREDENTIALS = Path("/etc/caisson/credentials")
CERTIFICATE, PRIVATE_KEY = Path("/etc/caisson/tls/tls.crt"), Path("/etc/caisson/tls/tls.key")
AUTHORITY = Path("/etc/caisson/tls/ca.crt")
APPLICATION = "caisson"


@dataclass(frozen=True, slots=True)
class Member:
    cluster: str
    """Name of the cluster, and the name that Sentinel has for its primary."""
    name: str
    """Name of this pod: CLUSTER-ORDINAL."""
    domain: str
    """What follows a pod's name in its host name: SERVICE.NAMESPACE.svc."""
    members: int
    is_replicated: bool
    fsync: str
    admin_password: str = field(repr=False)
    application_password: str = field(repr=False)

    @property
    def host(self) -> str:
        return self.host_of(self.name)

    @property
    def first_host(self) -> str:
        return self.host_of(f"{self.cluster}-0")

    @property
    def other_hosts(self) -> tuple[str, ...]:
        names = (f"{self.cluster}-{ordinal}" for ordinal in range(self.members))
        return tuple(self.host_of(name) for name in names if name != self.name)

    @property
    def quorum(self) -> int:
        return self.members // 2 + 1

    def host_of(self, name: str) -> str:
        return f"{name}.{self.domain}"


def read_member(environment: Mapping[str, str], credentials: Path = CREDENTIALS) -> Member:
    cluster, namespace = environment["CAISSON_CLUSTER"], environment["CAISSON_POD_NAMESPACE"]
    return Member(
        cluster=cluster,
        name=environment["CAISSON_POD_NAME"],
        domain=f"{environment['CAISSON_PODS_SERVICE']}.{namespace}.svc",
        members=int(environment["CAISSON_MEMBERS"]),
        is_replicated=environment["CAISSON_TOPOLOGY"] == "replicated",
        fsync=environment["CAISSON_FSYNC"],
        admin_password=(credentials / "admin").read_text().strip(),
        application_password=(credentials / "application").read_text().strip(),
    )
