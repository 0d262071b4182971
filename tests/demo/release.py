"""Images and the Helm release: one operator for the demo and for every end-to-end test, left in place."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from demo.cluster import REPOSITORY, Resource, get, get_all, kubectl, run, run_visibly, say, wait_for

RELEASE = "caisson"
SYSTEM_NAMESPACE = "caisson-system"
LEASE = "caisson-operator"
IMAGES = ("operator", "postgres", "redis", "zookeeper", "ids", "flights")
ENGINES = ("postgres", "redis", "zookeeper", "ids")
BUILD_SECONDS = 1200
ROLLOUT_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Images:
    """References as the cluster's nodes know them."""

    operator: str
    postgres: str
    redis: str
    zookeeper: str
    ids: str
    flights: str


def load_images() -> Images:
    """Builds what has changed and loads it into the nodes."""
    output = run_visibly(REPOSITORY / "tests/kind/images", *IMAGES, seconds=BUILD_SECONDS)
    references = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    return Images(**{name: references[name] for name in IMAGES})


def install(images: Images, namespaces: Iterable[str]) -> None:
    """Installs or upgrades the chart, and waits until an operator leads."""
    values = {
        "watchNamespaces": sorted(namespaces),
        "operator": {"image": images.operator},
        "engines": {name: {"image": getattr(images, name)} for name in ENGINES},
    }
    run(
        "helm", "upgrade", "--install", RELEASE, REPOSITORY / "charts/caisson",
        "--namespace", SYSTEM_NAMESPACE, "--create-namespace", "--values", "-",
        stdin=json.dumps(values), seconds=ROLLOUT_SECONDS,
    )  # fmt: skip
    kubectl("rollout", "status", f"deployment/{operator_deployment()}", "--timeout=180s", namespace=SYSTEM_NAMESPACE)
    say(f"  the operator leads: {wait_for_leader()}")


def operator_deployment() -> str:
    deployments = get_all("deployments", SYSTEM_NAMESPACE, {"app.kubernetes.io/instance": RELEASE})
    names: list[str] = [deployment["metadata"]["name"] for deployment in deployments]
    if len(names) != 1:
        raise LookupError(f"the release {RELEASE} should have one deployment, and has {names}")
    return names[0]


def leases() -> list[Resource]:
    return get_all("leases", SYSTEM_NAMESPACE)


def leader() -> str | None:
    """The pod that holds the operator's Lease."""
    lease = get("lease", LEASE, SYSTEM_NAMESPACE)
    holder: str | None = lease["spec"].get("holderIdentity") if lease else None
    return holder or None


def wait_for_leader(other_than: str | None = None, seconds: float = ROLLOUT_SECONDS) -> str:
    def another() -> str | None:
        holder = leader()
        return holder if holder != other_than else None

    return wait_for("an operator that leads", another, seconds, operator_log)


def operator_log(lines: int = 60) -> str:
    return kubectl(
        "logs", f"deployment/{operator_deployment()}", "--all-pods", "--prefix", f"--tail={lines}",
        namespace=SYSTEM_NAMESPACE,
    )  # fmt: skip


def scale_operator(replicas: int) -> None:
    name = operator_deployment()
    kubectl("scale", f"deployment/{name}", f"--replicas={replicas}", namespace=SYSTEM_NAMESPACE)
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", namespace=SYSTEM_NAMESPACE)
