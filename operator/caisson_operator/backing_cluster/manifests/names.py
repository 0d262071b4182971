"""Names and ports of a cluster's objects, as docs/reference/backing-cluster-objects.md has them. Pure."""

from dataclasses import dataclass

from caisson_operator.core.certificates import list_forms

REDIS_PORT, SENTINEL_PORT = 6379, 26379
ZOOKEEPER_PORT, PEER_PORT, ELECTION_PORT = 2281, 2888, 3888
ZOOKEEPER_LOCAL_PORT = 2181
"""Of each member's own pod, in plain text: workloads/zookeeper/zookeeper_member/member.py."""


@dataclass(frozen=True, slots=True)
class Names:
    """StatefulSet, PodDisruptionBudget, and the Service that clients are led by are called like the cluster itself."""

    cluster: str
    namespace: str

    @property
    def pods(self) -> str:
        """The headless Service by which each member has a host name."""
        return f"{self.cluster}-members"

    @property
    def credentials(self) -> str:
        return f"{self.cluster}-credentials"

    @property
    def authority(self) -> str:
        """Who vouches for the servers, with its key: no pod mounts it."""
        return f"{self.cluster}-authority"

    @property
    def certificate(self) -> str:
        """What the servers show, which their pods mount."""
        return f"{self.cluster}-tls"

    @property
    def served(self) -> tuple[str, ...]:
        """Every name by which somebody comes to a member: through the Services, to a pod itself, or within it.

        All pods at once, so that more members need no other certificate.
        """
        hosts = (self.cluster, self.pods, f"*.{self.pods}")
        return ("localhost", self.cluster, *list_forms(hosts, self.namespace))

    @property
    def binding(self) -> str:
        return f"{self.cluster}-binding"

    @property
    def epoch(self) -> str:
        """The ConfigMap with the number that every new primary raises; account, role and binding of the agent that may."""
        return f"{self.cluster}-epoch"

    @property
    def ensemble(self) -> str:
        """The ConfigMap that says whether the ensemble has been formed."""
        return f"{self.cluster}-ensemble"

    @property
    def host(self) -> str:
        return f"{self.cluster}.{self.namespace}.svc"

    def pod(self, ordinal: int) -> str:
        return f"{self.cluster}-{ordinal}"

    def member_host(self, ordinal: int) -> str:
        return f"{self.pod(ordinal)}.{self.pods}.{self.namespace}.svc"
