"""The operator's replicas: its leader killed or stopped, and when another one led."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from demo.cluster import get, kubectl, wait_for
from demo.release import LEASE, SYSTEM_NAMESPACE, operator_deployment, operator_log
from faults.nodes import kill_container

TAKEOVER_SECONDS = 60
WHOLE_SECONDS = (
    330  # The kubelet waits for up to five minutes before it starts a container again that ends time after time.
)
TERM = "caisson.dev/term"


@dataclass(frozen=True, slots=True)
class Lead:
    """Who leads by the Lease, which term it is, and since when: seconds since 1970."""

    pod: str
    term: int
    since: float


def lead() -> Lead | None:
    """None while nobody leads."""
    lease = get("lease", LEASE, SYSTEM_NAMESPACE)
    if lease is None or not lease["spec"].get("holderIdentity"):
        return None
    since = datetime.fromisoformat(lease["spec"]["acquireTime"]).timestamp()
    return Lead(lease["spec"]["holderIdentity"], int(lease["metadata"]["annotations"][TERM]), since)


def wait_lead(after: int = 0) -> Lead:
    """A lead of a later term than this one."""

    def later() -> Lead | None:
        found = lead()
        return found if found and found.term > after else None

    return wait_for("an operator that leads", later, TAKEOVER_SECONDS, operator_log)


def wait_whole() -> None:
    """Every replica is ready: one that the last round killed may still rest before it starts again, and could not take over."""

    def is_whole() -> bool:
        deployment = get("deployment", operator_deployment(), SYSTEM_NAMESPACE)
        assert deployment is not None
        ready: int = deployment["status"].get("readyReplicas", 0)
        return ready == deployment["spec"]["replicas"]

    wait_for("every replica of the operator", is_whole, WHOLE_SECONDS, operator_log)


def kill(leader: Lead) -> None:
    """Its container with -9. The kubelet starts another one in the same pod."""
    pod = get("pod", leader.pod, SYSTEM_NAMESPACE)
    assert pod is not None, leader
    kill_container(pod["spec"]["nodeName"], pod["status"]["containerStatuses"][0]["containerID"])


def stop(leader: Lead) -> None:
    """As an upgrade would."""
    kubectl("delete", "pod", leader.pod, "--wait=false", namespace=SYSTEM_NAMESPACE)


@contextmanager
def takeover(end: Callable[[Lead], None]) -> Iterator[None]:
    """The leader is ended; at the end another one leads."""
    before = wait_lead()
    end(before)
    yield
    wait_lead(after=before.term)
