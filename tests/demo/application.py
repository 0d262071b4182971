"""The application's pods: a Job that loads, a pod that makes traffic, and the check that runs where the records are."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Template
from typing import Any

from demo.cluster import REPOSITORY, apply, describe_namespace, get, kubectl, wait_for

FOLDER = REPOSITORY / "tests/demo"
LOAD = "flights-load"
CHECK = "flights-check"
POD = "flights-traffic"
CHECK_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Application:
    """The flights application in one namespace. `rows` is how many flights it loads; None for all."""

    namespace: str
    image: str
    rows: int | None = None

    def arguments(self, command: str, *more: str) -> list[str]:
        rows = ["--flights", str(self.rows)] if self.rows is not None else []
        return [command, *rows, *more]

    def start(self, file: str, name: str, arguments: Sequence[str]) -> None:
        template = Template((FOLDER / file).read_text())
        apply(template.substitute(name=name, image=self.image, arguments=json.dumps(arguments)), self.namespace)

    def load(self, seconds: float, on_progress: Callable[[str], None]) -> float:
        """Loads the data set; returns how long the Job took, its start included."""
        return job_seconds(self.run_job(LOAD, self.arguments("load"), seconds, on_progress))

    def check_loaded(self, seconds: float) -> dict[str, Any]:
        """The report of the checker where there was no traffic: the loaded rows alone."""
        self.run_job(CHECK, self.arguments("check"), seconds, lambda _: None)
        report: dict[str, Any] = json.loads(kubectl("logs", f"job/{CHECK}", namespace=self.namespace))
        return report

    def run_job(
        self, name: str, arguments: Sequence[str], seconds: float, on_progress: Callable[[str], None]
    ) -> dict[str, Any]:
        """A Job from its start to its success; an earlier one of the same name is replaced."""
        kubectl("delete", "job", name, "--ignore-not-found", "--wait=true", namespace=self.namespace)
        self.start("job.yaml", name, arguments)

        def finished() -> dict[str, Any] | None:
            on_progress(self.last_line(name))
            job = get("job", name, self.namespace)
            status = job["status"] if job else {}
            if status.get("failed"):
                raise RuntimeError(f"{name} failed:\n{kubectl('logs', f'job/{name}', namespace=self.namespace)}")
            return job if status.get("succeeded") else None

        return wait_for(name, finished, seconds, self.explain, poll_seconds=1)

    def start_traffic(self, seconds: float, *more: str) -> None:
        """Returns once writes are acknowledged."""
        self.start("traffic-pod.yaml", POD, self.arguments("traffic", *more))
        wait_for("the traffic's pod", lambda: is_pod_ready(get("pod", POD, self.namespace)), seconds, self.explain)
        wait_for("the first writes", lambda: self.status()["writes"] > 0, seconds, self.explain)

    def status(self) -> dict[str, Any]:
        """What the traffic says of itself, by way of the API server."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{POD}:8080/proxy/status"
        status: dict[str, Any] = json.loads(kubectl("get", "--raw", path))
        return status

    def wait_writes(self, count: int, seconds: float) -> None:
        """Until so many more writes have been acknowledged than there are now."""
        wanted = self.status()["writes"] + count
        wait_for(f"{count} more writes", lambda: self.status()["writes"] >= wanted, seconds, self.explain)

    def stop_traffic(self, seconds: float = 60) -> dict[str, Any]:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{POD}:8080/proxy/stop"
        kubectl("create", "--raw", path, "-f", "-", stdin="{}")
        wait_for("the traffic to stop", lambda: self.status()["finished"], seconds, self.explain)
        return self.status()

    def remove_traffic(self) -> None:
        """For a run that broke off: nobody would stop it."""
        kubectl("delete", "pod", POD, "--ignore-not-found", "--wait=false", namespace=self.namespace)

    def check(self, *more: str) -> dict[str, Any]:
        """The report of the checker, which reads the traffic's records where they lie."""
        command = self.arguments("check", *more)
        output = kubectl(
            "exec", POD, "--", "python", "-m", "flights", *command, namespace=self.namespace, seconds=CHECK_SECONDS
        )
        report: dict[str, Any] = json.loads(output)
        return report

    def complaints(self, lines: int = 20) -> str:
        """What the traffic printed: every operation that failed, with its error."""
        return kubectl("logs", POD, f"--tail={lines}", namespace=self.namespace)

    def last_line(self, job: str) -> str:
        """The latest line of a Job's log; empty while its container has not started."""
        if not is_started(self.namespace, job):
            return ""
        lines = kubectl("logs", f"job/{job}", "--tail=1", namespace=self.namespace).splitlines()
        return lines[-1] if lines else ""

    def explain(self) -> str:
        return describe_namespace(self.namespace)


def is_pod_ready(pod: dict[str, Any] | None) -> bool:
    if pod and pod["status"].get("phase") == "Failed":
        raise RuntimeError(f"the pod {pod['metadata']['name']} failed: {json.dumps(pod['status'], indent=1)}")
    conditions = (pod or {}).get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def is_started(namespace: str, app: str) -> bool:
    phases = kubectl("get", "pods", "-l", f"app={app}", "-o", "jsonpath={.items[*].status.phase}", namespace=namespace)
    return any(phase in ("Running", "Succeeded", "Failed") for phase in phases.split())


def job_seconds(job: dict[str, Any]) -> float:
    times = [datetime.fromisoformat(job["status"][field]) for field in ("startTime", "completionTime")]
    return (times[1] - times[0]).total_seconds()
