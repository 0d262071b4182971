"""What the objects of one allocator are called, and by which names its servers are. Pure."""

from dataclasses import dataclass

from caisson_operator.core.certificates import list_forms

PORT = 8443


@dataclass(frozen=True, slots=True)
class Names:
    allocator: str
    namespace: str

    @property
    def binding(self) -> str:
        """Unlike that of a ShardedDatabase of the same name."""
        return f"{self.allocator}-ids-binding"

    @property
    def server(self) -> str:
        """Deployment, Service and PodDisruptionBudget."""
        return f"{self.allocator}-id-server"

    @property
    def token(self) -> str:
        """A binding too: all that a program needs that asks the servers, and nothing of the store."""
        return f"{self.allocator}-id-server-binding"

    @property
    def authority(self) -> str:
        return f"{self.allocator}-id-server-ca"

    @property
    def certificate(self) -> str:
        return f"{self.allocator}-id-server-tls"

    @property
    def host(self) -> str:
        return f"{self.server}.{self.namespace}.svc"

    @property
    def url(self) -> str:
        return f"https://{self.host}:{PORT}"

    @property
    def certified(self) -> tuple[str, ...]:
        """Every name by which somebody comes to the servers. All come through the Service: pods have no names of their own."""
        return (self.server, *list_forms([self.server], self.namespace))
