"""The probes' pods of one round: an application beside the standby, a plain writer beside the primary, and what both recorded."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from demo.cluster import CommandFailedError, apply, describe_namespace, kubectl, wait_for
from faults.checker import has_acknowledged
from faults.records import PINNED, SDK, Records, parse

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

    def records(self, may_lose_plain: bool) -> Records:
        return self.read(SDK) + (self.read_if_there(PINNED) if may_lose_plain else self.read(PINNED))

    def read(self, role: str, *options: str) -> Records:
        return parse(kubectl("logs", self.pod(role), *options, namespace=self.namespace).splitlines())

    def read_if_there(self, role: str, *options: str) -> Records:
        """Nothing of a pod whose node has died, or whose container is being made: whom it told what is known to nobody."""
        try:
            return self.read(role, *options)
        except CommandFailedError:
            return Records((), ())

    def wait_begun(self, role: str) -> None:
        self.wait_served(START_SECONDS, role, since=0.0)

    def wait_served(self, seconds: float, role: str = SDK, since: float | None = None) -> None:
        """Until a write that it has begun since then (from now on) was acknowledged, and such a read answered."""
        began = time.time() if since is None else since

        def is_served() -> bool:
            seen = self.read_if_there(role, "--tail=100")
            return all(has_acknowledged(calls, since=began) for calls in (seen.writes, seen.reads))

        wait_for(f"a write and a read of {role}", is_served, seconds, lambda: self.explain(role))

    def explain(self, role: str) -> str:
        try:
            said = kubectl("logs", self.pod(role), "--tail=10", namespace=self.namespace)
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
    """Returns once both are told that their writes are done, and are shown them."""
    probes = Probes(namespace, round_)
    start(probes, SDK, image, place.sdk_node, round_)
    start(probes, PINNED, image, place.pinned_node, round_, place.pinned_address)
    try:
        for role in (SDK, PINNED):
            probes.wait_begun(role)
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
