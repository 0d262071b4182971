"""The nodes, which are containers of this machine: cut off, killed, and what runs in them stopped. Nothing here asks the API server
while a fault lasts, since it may be the one that is away.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demo.cluster import CommandFailedError, Resource, get_all, kubectl, run, wait_for

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
READY_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    address: str
    pods: str
    is_control_plane: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """Packets that a node drops: all that cross its interface (`peer` empty), or those to and from a peer's address or network."""

    peer: str = ""

    def rules(self) -> list[list[str]]:
        to, of = (["-d", self.peer], ["-s", self.peer]) if self.peer else ([], [])
        return [
            *([chain, "-i", "eth0", *of, "-j", "DROP"] for chain in ("INPUT", "FORWARD")),
            *([chain, "-o", "eth0", *to, "-j", "DROP"] for chain in ("OUTPUT", "FORWARD")),
        ]


@dataclass(frozen=True, slots=True)
class PodCut:
    """What a pod of the node and a peer send each other, wherever that is. A watch goes on for as long as anything comes in."""

    pod: str
    peer: str

    def rules(self) -> list[list[str]]:
        to, of = ["-s", self.pod, "-d", self.peer], ["-s", self.peer, "-d", self.pod]
        return [
            *([chain, *to, "-j", "DROP"] for chain in ("INPUT", "FORWARD")),
            *([chain, *of, "-j", "DROP"] for chain in ("OUTPUT", "FORWARD")),
        ]


def nodes() -> list[Node]:
    return [read_node(node) for node in get_all("nodes", "")]


def read_node(node: Resource) -> Node:
    (address,) = (told["address"] for told in node["status"]["addresses"] if told["type"] == "InternalIP")
    is_control_plane = CONTROL_PLANE in node["metadata"]["labels"]
    return Node(node["metadata"]["name"], address, node["spec"]["podCIDR"], is_control_plane)


def on(node: str, *command: str) -> str:
    return run("docker", "exec", node, *command)


@contextmanager
def cut_off(node: str, cut: Cut | PodCut) -> Iterator[None]:
    for chain, *rule in cut.rules():
        on(node, "iptables", "--wait", "--insert", chain, "1", *rule)
    try:
        yield
    finally:
        for chain, *rule in cut.rules():
            on(node, "iptables", "--wait", "--delete", chain, *rule)


@contextmanager
def killed(node: str) -> Iterator[None]:
    """Without power; started again at the end, and waited for."""
    run("docker", "kill", node)
    try:
        yield
    finally:
        run("docker", "start", node)
        began = time.time()
        wait_for(f"{node} to be ready", lambda: is_ready_since(node, began), READY_SECONDS)


def is_ready_since(node: str, began: float) -> bool:
    """Ready by what its kubelet has said since: what it said before it died stands for a while."""
    (found,) = (n for n in get_all("nodes", "") if n["metadata"]["name"] == node)
    (ready,) = (c for c in found["status"]["conditions"] if c["type"] == "Ready")
    lease = kubectl("get", "lease", node, "-o", "jsonpath={.spec.renewTime}", namespace="kube-node-lease")
    return ready["status"] == "True" and lease > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began))


@contextmanager
def api_server_stopped(node: str) -> Iterator[None]:
    """It takes connections and answers nothing."""
    process = on(node, "pidof", "kube-apiserver").strip()
    on(node, "kill", "-STOP", process)
    try:
        yield
    finally:
        on(node, "kill", "-CONT", process)
        wait_for("the API server", is_api_server_back, READY_SECONDS)


def is_api_server_back() -> bool:
    try:
        return kubectl("get", "--raw", "/readyz", "--request-timeout=3s") == "ok"
    except CommandFailedError:
        return False


def kill_container(node: str, container: str) -> None:
    """With -9, and all that runs in it; `container` as a pod's status has it. The kubelet starts another."""
    on(
        node,
        "ctr",
        "--namespace",
        "k8s.io",
        "tasks",
        "kill",
        "--signal",
        "SIGKILL",
        container.removeprefix("containerd://"),
    )
