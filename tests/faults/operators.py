"""The operator's replicas: its leader killed or stopped, and when another one led."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from demo.cluster import get, get_all, kubectl, wait_for
from demo.release import LEASE, SYSTEM_NAMESPACE, operator_deployment, operator_log
from faults.nodes import kill_container

TAKEOVER_SECONDS = 60
WHOLE_SECONDS = 120
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
    """Every replica is ready, so that any of them can take over."""

    def is_whole() -> bool:
        deployment = get("deployment", operator_deployment(), SYSTEM_NAMESPACE)
        assert deployment is not None
        replace_resting(deployment["spec"]["selector"]["matchLabels"])
        ready: int = deployment["status"].get("readyReplicas", 0)
        wanted: int = deployment["spec"]["replicas"]
        return ready == wanted

    wait_for("every replica of the operator", is_whole, WHOLE_SECONDS, operator_log)


def replace_resting(labels: Mapping[str, str]) -> None:
    """One that was killed time after time rests for up to five minutes before the kubelet starts it again; another pod does not."""
    for pod in get_all("pods", SYSTEM_NAMESPACE, labels):
        waiting = [status["state"].get("waiting", {}) for status in pod["status"].get("containerStatuses", [])]
        if any(state.get("reason") == "CrashLoopBackOff" for state in waiting):
            words = ("pod", pod["metadata"]["name"], "--ignore-not-found", "--wait=false")
            kubectl("delete", *words, namespace=SYSTEM_NAMESPACE)


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
