"""Who a member is and who its fellows are, from the environment of its pod. Pure but for the passwords' files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLIENT_PORT, PEER_PORT, ELECTION_PORT = 2281, 2888, 3888
LOCAL_PORT = 2181
"""For questions from inside the pod, in plain text, open to nobody else. ZooKeeper wants such a port of every member that it is to add."""
DATA = Path("/var/lib/caisson/zookeeper/data")
LOG = Path("/var/lib/caisson/zookeeper/log")
CONFIGURATION = Path("/var/lib/caisson/zookeeper/conf/zoo.cfg")
JAAS = Path("/run/caisson/jaas.conf")
CREDENTIALS = Path("/etc/caisson/credentials")
ENSEMBLE = Path("/etc/caisson/ensemble")
TLS = Path("/etc/caisson/tls")
AUTHORITY = TLS / "ca.crt"
KEY_STORE = Path("/run/caisson/server.pem")
APPLICATION, ADMIN = "caisson", "caisson-admin"
TICK_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Member:
    cluster: str
    name: str
    """Name of this pod: CLUSTER-ORDINAL."""
    domain: str
    """What follows a pod's name in its host name: SERVICE.NAMESPACE.svc."""
    members: int
    is_formed: bool
    """Whether the ensemble has served already: then nobody may form it a second time."""
    passwords: Mapping[str, str] = field(repr=False)
    """User -> password."""

    @property
    def ordinal(self) -> int:
        return int(self.name.rsplit("-", 1)[1])

    @property
    def number(self) -> int:
        """ZooKeeper counts from 1."""
        return self.ordinal + 1

    @property
    def host(self) -> str:
        return f"{self.name}.{self.domain}"

    @property
    def other_hosts(self) -> tuple[str, ...]:
        most = max(self.members, self.ordinal + 1)
        names = (f"{self.cluster}-{ordinal}" for ordinal in range(most))
        return tuple(f"{name}.{self.domain}" for name in names if name != self.name)

    def describe(self, role: str) -> str:
        """Its line of the ensemble's configuration."""
        ports = f"{PEER_PORT}:{ELECTION_PORT}:{role};127.0.0.1:{LOCAL_PORT}"
        return f"server.{self.number}={self.host}:{ports}"


def read_member(environment: Mapping[str, str], credentials: Path = CREDENTIALS, ensemble: Path = ENSEMBLE) -> Member:
    cluster, namespace = environment["CAISSON_CLUSTER"], environment["CAISSON_POD_NAMESPACE"]
    files = {APPLICATION: "application", ADMIN: "admin"}
    formed = ensemble / "formed"
    return Member(
        cluster=cluster,
        name=environment["CAISSON_POD_NAME"],
        domain=f"{environment['CAISSON_PODS_SERVICE']}.{namespace}.svc",
        members=int(environment["CAISSON_MEMBERS"]),
        is_formed=formed.exists() and formed.read_text().strip() == "true",
        passwords={user: (credentials / file).read_text().strip() for user, file in files.items()},
    )
