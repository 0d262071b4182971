"""A BackingCluster as its user sees it; and its pods, to be killed. What is asked of members is asked in their pods."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from demo.cluster import Resource, apply, describe_namespace, environment, get, get_all, kubectl, wait_for
from demo.release import operator_log

T = TypeVar("T")
READY_SECONDS = 180.0
CHANGE_SECONDS = 120.0

# As the application, through the Service that clients are led by: takes a fencing token as the scripts of the locks do.
_TAKE_TOKEN = """
import sys
from redis_member.resp import Connection
script = '''
local key = redis.call('HMGET', 'caisson:epoch', 'epoch', 'replid')
if not string.find(redis.call('INFO', 'replication'), 'master_replid:' .. (key[2] or '?'), 1, true) then return 'REFUSED' end
return key[1] .. ':' .. redis.call('INCR', 'counter')
'''
host, user, password = sys.argv[1:]
class Application(Connection):
    def call(self, *words):
        return super().call('AUTH', user, *words[1:]) if words[0] == 'AUTH' else super().call(*words)
with Application((host, 6379), password) as redis:
    print(redis.call('EVAL', script, 0))
"""


# The same again and again, with one connection for as long as it holds, until its standard input ends.
_TAKE_MANY = """
import json, select, sys, time
from redis_member.resp import Connection, RedisError
SCRIPT
host, user, password = sys.argv[1:]
class Application(Connection):
    def call(self, *words):
        return super().call('AUTH', user, *words[1:]) if words[0] == 'AUTH' else super().call(*words)
taken, back, last, longest, at, epochs, redis = 0, 0, (0, 0), 0.0, time.monotonic(), [], None
while not select.select([sys.stdin], [], [], 0.002)[0]:
    try:
        redis = redis or Application((host, 6379), password)
        epoch, counter = map(int, redis.call('EVAL', script, 0).split(':'))
    except (OSError, RedisError, ValueError):
        if redis:
            redis.close()
        redis = None
        continue
    taken, now = taken + 1, time.monotonic()
    if taken == 1:
        print('begun', flush=True)
    back += (epoch, counter) <= last
    last, longest, at = (epoch, counter), max(longest, now - at), now
    if epoch not in epochs:
        epochs.append(epoch)
print(json.dumps({'taken': taken, 'went_back': back, 'epochs': epochs, 'longest_pause_s': round(longest, 2)}))
""".replace("SCRIPT", _TAKE_TOKEN[_TAKE_TOKEN.index("script =") : _TAKE_TOKEN.index("host, user")])


_MAKE_NODES = """
import json, select, sys, time
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
hosts, user, password, authority = sys.argv[1:]
open('/tmp/ca.crt', 'w').write(authority)
sasl = {'mechanism': 'DIGEST-MD5', 'username': user, 'password': password}
client = KazooClient(hosts=hosts, timeout=10, sasl_options=sasl, use_ssl=True, ca='/tmp/ca.crt', check_hostname=True)
client.start(60)
client.ensure_path('/load')
made, unknown, longest, at = [], 0, 0.0, time.monotonic()
while not select.select([sys.stdin], [], [], 0.005)[0]:
    try:
        made.append(client.create('/load/n-', b'', sequence=True))
    except KazooException:
        unknown += 1
        continue
    longest, at = max(longest, time.monotonic() - at), time.monotonic()
    if len(made) == 1:
        print('begun', flush=True)
client.retry(client.sync, '/load')
there = {'/load/' + name for name in client.retry(client.get_children, '/load')}
print(json.dumps({'made': len(made), 'lost': sum(name not in there for name in made), 'unknown': unknown,
    'is_in_order': made == sorted(set(made)), 'longest_pause_s': round(longest, 2)}))
client.delete('/load', recursive=True)
client.stop()
"""
CLIENT, BEGUN = "client", "begun\n"


@dataclass(frozen=True, slots=True)
class Backing:
    namespace: str
    name: str

    def apply(self, type: str, **spec: Any) -> None:
        small = {"storage": {"size": "256Mi"}, "resources": {"requests": {"cpu": "20m", "memory": "48Mi"}}}
        manifest = {
            "apiVersion": "caisson.dev/v1alpha1",
            "kind": "BackingCluster",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"type": type, **small, **spec},
        }
        apply(json.dumps(manifest))

    def status(self) -> dict[str, Any]:
        resource = get("backing", self.name, self.namespace) or {}
        is_current = resource.get("status", {}).get("observedGeneration") == resource.get("metadata", {}).get(
            "generation"
        )
        return resource.get("status", {}) if is_current else {}

    def wait(self, what: str, holds: Callable[[dict[str, Any]], T | None], seconds: float = CHANGE_SECONDS) -> T:
        return wait_for(f"{what} of {self.name}", lambda: holds(self.status()), seconds, self.explain)

    def wait_whole(self, members: int, seconds: float = READY_SECONDS) -> dict[str, Any]:
        """All members serve what is wanted, and nothing is left to do; by their pods too, since the status tells of a moment ago."""

        def is_whole(status: dict[str, Any]) -> dict[str, Any] | None:
            if not self.are_ready(members):
                return None
            found = [member for member in status.get("members", []) if member.get("ready") and member.get("updated")]
            is_all = len(found) == len(status.get("members", [])) == status.get("memberCount") == members
            return (
                status
                if is_all and status.get("phase") == "Ready" and self.condition("Progressing") == "False"
                else None
            )

        return self.wait(f"{members} members", is_whole, seconds)

    def are_ready(self, members: int) -> bool:
        pods = self.pods()
        staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        conditions = [c for pod in staying for c in pod.get("status", {}).get("conditions", [])]
        ready = [c for c in conditions if c["type"] == "Ready" and c["status"] == "True"]
        return len(pods) == len(staying) == len(ready) == members

    def condition(self, kind: str) -> str | None:
        found = [c["status"] for c in self.status().get("conditions", []) if c["type"] == kind]
        return found[0] if found else None

    def scale(self, members: int) -> None:
        kubectl("scale", f"backing/{self.name}", f"--replicas={members}", namespace=self.namespace)

    def kill(self, pod: str) -> None:
        """At once, without a word to anybody."""
        kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false", namespace=self.namespace)

    def binding(self) -> dict[str, str]:
        return self.secret(self.status()["binding"]["name"])

    def secret(self, name: str) -> dict[str, str]:
        secret = get("secret", name, self.namespace)
        assert secret is not None, name
        return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}

    def events(self, reason: str) -> list[str]:
        found = get_all("events", self.namespace)
        return [e["message"] for e in found if e["reason"] == reason and e["involvedObject"]["name"] == self.name]

    def pods(self) -> list[Resource]:
        return get_all("pods", self.namespace, {"caisson.dev/name": self.name})

    def run(self, pod: str, container: str, program: str, *arguments: str) -> str:
        words = ("exec", pod, "-c", container, "--", "python3", "-c", program, *arguments)
        return kubectl(*words, namespace=self.namespace).strip()

    def take_token(self, pod: str, host: str = "") -> tuple[int, int]:
        """(epoch, counter), asked for from this pod of whomever the Service leads to, or of `host`."""
        binding = self.binding()
        words = (host or binding["host"], binding["username"], binding["password"])
        epoch, counter = self.run(pod, "redis", _TAKE_TOKEN, *words).split(":")
        return int(epoch), int(counter)

    def load(self, pod: str) -> AbstractContextManager[dict[str, Any]]:
        """Takes tokens from this pod all the time; what came of it is in the dictionary afterwards."""
        binding = self.binding()
        return self._loaded(pod, "redis", _TAKE_MANY, binding["host"], binding["username"], binding["password"])

    def start_client(self, image: str) -> None:
        """A pod with kazoo in it, that goes with the namespace."""
        wait = ["python", "-c", "import signal; signal.pause()"]
        container = {"name": "client", "image": image, "imagePullPolicy": "IfNotPresent", "command": wait}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": CLIENT}, "spec": spec}
        apply(json.dumps(manifest), self.namespace)
        kubectl("wait", f"pod/{CLIENT}", "--for=condition=Ready", "--timeout=90s", namespace=self.namespace)

    def load_ensemble(self) -> AbstractContextManager[dict[str, Any]]:
        """Makes nodes from the client's pod all the time, and looks in the end whether each that was acknowledged is there."""
        binding = self.binding()
        who = [binding[entry] for entry in ("hosts", "username", "password", "ca.crt")]
        return self._loaded(CLIENT, "client", _MAKE_NODES, *who)

    @contextmanager
    def _loaded(self, pod: str, container: str, program: str, *who: str) -> Iterator[dict[str, Any]]:
        """Once the first has been answered: what begins after the fault is no load under it."""
        found: dict[str, Any] = {}
        words = ("exec", "-i", pod, "-c", container, "--", "python3", "-c", program)
        process = subprocess.Popen(
            ["kubectl", "-n", self.namespace, *words, *who],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert process.stdout is not None
        is_begun = process.stdout.readline() == BEGUN
        try:
            assert is_begun, f"{pod} has not begun to load"
            yield found
        finally:
            output, _ = process.communicate("stop\n", timeout=90)
            found.update(json.loads(output or "{}"))

    def explain(self) -> str:
        told = json.dumps(self.status(), indent=1)
        return f"{told}\n{describe_namespace(self.namespace)}\n{operator_log()}"
