"""The probes' pods of one round: an application beside the standby, a plain writer beside the primary, and what both recorded."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from demo.cluster import CommandFailedError, apply, describe_namespace, kubectl, wait_for
from faults.records import PINNED, SDK, Outcome, Records, parse

FOLDER = Path(__file__).parent
CODE = ("records.py", "probe.py")
START_SECONDS, BACK_SECONDS = 60, 90


@dataclass(frozen=True, slots=True)
class Place:
    """Where the two probes of a round run, and to whom the plain one speaks."""

    sdk_node: str
    pinned_node: str
    pinned_address: str


@dataclass(frozen=True, slots=True)
class Probes:
    namespace: str
    round: str

    def pod(self, role: str) -> str:
        return f"{self.round}-{role}"

    def records(self) -> Records:
        return self.read(SDK) + self.read(PINNED)

    def read(self, role: str, *options: str) -> Records:
        """Nothing of a pod whose node has died: whom it told what is known to nobody any more."""
        try:
            text = kubectl("logs", self.pod(role), *options, namespace=self.namespace)
        except CommandFailedError:
            if role == PINNED:
                return Records((), ())
            raise
        return parse(text.splitlines())

    def wait_acknowledged(self, seconds: float) -> None:
        """Until the application was told that something is done that it has begun after now."""
        now = time.time()

        def is_told() -> bool:
            try:
                writes = self.read(SDK, "--tail=100").writes
            except CommandFailedError:  # Its container is being made.
                return False
            return any(write.outcome is Outcome.ACKNOWLEDGED and write.started > now for write in writes)

        wait_for("an acknowledged write", is_told, seconds, lambda: self.explain())

    def explain(self) -> str:
        try:
            said = kubectl("logs", self.pod(SDK), "--tail=10", namespace=self.namespace)
        except CommandFailedError as error:
            said = str(error)
        return f"{said}\n{describe_namespace(self.namespace)}"


def provide_code(namespace: str) -> None:
    """The modules that the probes' pods run, as a ConfigMap: the image has the SDK, and what it stands on."""
    data = {"__init__.py": "", **{name: (FOLDER / name).read_text() for name in CODE}}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "faults-probe"}, "data": data}
    apply(json.dumps(config_map), namespace)


@contextmanager
def running(namespace: str, image: str, round_: str, place: Place) -> Iterator[Probes]:
    """Returns once the application is told that its writes are done."""
    probes = Probes(namespace, round_)
    start(probes, SDK, image, place.sdk_node, round_)
    start(probes, PINNED, image, place.pinned_node, round_, place.pinned_address)
    try:
        probes.wait_acknowledged(START_SECONDS)
        yield probes
    finally:
        kubectl(
            "delete",
            "pods",
            "-l",
            "app=faults-probe",
            "--force",
            "--grace-period=0",
            "--wait=false",
            namespace=namespace,
        )


def start(probes: Probes, role: str, image: str, node: str, *arguments: str) -> None:
    template = Template((FOLDER / "probe-pod.yaml").read_text())
    words = json.dumps([role, *arguments])
    apply(template.substitute(name=probes.pod(role), image=image, node=node, arguments=words), probes.namespace)
