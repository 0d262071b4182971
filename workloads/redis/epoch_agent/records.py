"""The objects in Kubernetes that the agent changes, as values and back. Pure but for its calls of `kube`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .decide import Raise, Record

Manifest = dict[str, Any]
EPOCH_ANNOTATION = "caisson.dev/epoch"


class Store(Protocol):
    def read(self, path: str) -> Manifest: ...

    def replace(self, path: str, manifest: Manifest) -> Manifest: ...


@dataclass(frozen=True, slots=True)
class Records:
    kube: Store
    cluster: str
    member: str
    address: str
    """Of this pod, where its server is reached."""
    now: Callable[[], str]

    def read(self) -> Record:
        found = self.kube.read(f"configmaps/{self.cluster}-epoch")
        data = found.get("data") or {}
        version = found["metadata"]["resourceVersion"]
        return Record(int(data.get("epoch", "0")), data.get("replid", ""), data.get("member", ""), version)

    def raise_to(self, wanted: Raise) -> None:
        """Raises Conflict if somebody was faster: then nothing was changed."""
        path = f"configmaps/{self.cluster}-epoch"
        found = self.kube.read(path)
        found["metadata"]["resourceVersion"] = wanted.version
        found["data"] = {
            "epoch": str(wanted.epoch),
            "replid": wanted.replid,
            "member": self.member,
            "at": self.now(),
        }
        self.kube.replace(path, found)

    def lead_clients_here(self, epoch: int, port: int) -> bool:
        """Point the cluster's Service at this pod, unless a later primary has done so. True if something was changed."""
        path = f"endpoints/{self.cluster}"
        found = self.kube.read(path)
        annotations = found["metadata"].setdefault("annotations", {})
        subsets = [{"addresses": [{"ip": self.address}], "ports": [{"name": "redis", "port": port, "protocol": "TCP"}]}]
        at = int(annotations.get(EPOCH_ANNOTATION, "0"))
        if at > epoch or (at == epoch and _addresses(found) == [self.address]):
            return False
        annotations[EPOCH_ANNOTATION] = str(epoch)
        self.kube.replace(path, {**found, "subsets": subsets})
        return True


def _addresses(endpoints: Manifest) -> list[str]:
    return [address["ip"] for subset in endpoints.get("subsets") or [] for address in subset.get("addresses") or []]
