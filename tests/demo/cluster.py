"""kubectl and helm, and waiting for what they show, each with a deadline.

The tools and the kubeconfig are those of tests/kind. A wait polls a condition; when the deadline passes it says what it
waited for and shows what the cluster says about it.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.5
COMMAND_SECONDS = 120.0

Resource = dict[str, Any]
T = TypeVar("T")


class CommandFailedError(Exception):
    """kubectl, helm or a script of tests/kind ended with an error; the text is what it said."""


class TimedOutError(Exception):
    """A condition did not come true before its deadline."""


@cache
def environment() -> Mapping[str, str]:
    """This process's environment with the tools and the kubeconfig of tests/kind."""
    exports = subprocess.run([REPOSITORY / "tests/kind/env"], capture_output=True, text=True, check=True).stdout
    shell = f'{exports}\nprintf "%s\\n" "$PATH" "$KUBECONFIG" "$CAISSON_HOME"'
    answer = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True).stdout
    path, kubeconfig, home = answer.splitlines()
    return {**os.environ, "PATH": path, "KUBECONFIG": kubeconfig, "CAISSON_HOME": home}


def run(*command: str | Path, stdin: str | None = None, seconds: float = COMMAND_SECONDS) -> str:
    """Output of a command that must succeed."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, env=environment(), timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailedError(f"{shlex.join(words)} did not end within {seconds:.0f} s") from error
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or "it said nothing"
        raise CommandFailedError(f"{shlex.join(words)} failed with exit code {done.returncode}: {said}")
    return done.stdout


def run_visibly(*command: str | Path, seconds: float) -> str:
    """The same, with its progress (standard error) shown while it runs."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=environment(), timeout=seconds, check=False)
    if done.returncode:
        raise CommandFailedError(f"{shlex.join(words)} failed with exit code {done.returncode}")
    return done.stdout


def kubectl(*arguments: str, namespace: str = "", stdin: str | None = None, seconds: float = COMMAND_SECONDS) -> str:
    scope = ("--namespace", namespace) if namespace else ()
    return run("kubectl", *scope, *arguments, stdin=stdin, seconds=seconds)


def apply(manifests: str, namespace: str = "") -> None:
    """Validated strictly, as kubectl does for people."""
    kubectl("apply", "--validate=strict", "-f", "-", namespace=namespace, stdin=manifests)


def get(kind: str, name: str, namespace: str = "") -> Resource | None:
    """The object, or None where there is none."""
    text = kubectl("get", kind, name, "--ignore-not-found", "-o", "json", namespace=namespace)
    return json.loads(text) if text.strip() else None


def get_all(kind: str, namespace: str, labels: Mapping[str, str] | None = None) -> list[Resource]:
    selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
    text = kubectl("get", kind, "-l", selector, "-o", "json", namespace=namespace)
    items: list[Resource] = json.loads(text)["items"]
    return items


def wait_for(
    what: str,
    probe: Callable[[], T | None],
    seconds: float,
    explain: Callable[[], str] | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> T:
    """The first value of `probe` that is not None, False or empty; TimedOutError with `explain`'s text otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            reason = f"\n{explain()}" if explain else ""
            raise TimedOutError(f"waited {seconds:.0f} s for {what}{reason}")
        time.sleep(poll_seconds)


def wait_until_gone(kind: str, name: str, namespace: str = "", seconds: float = 120) -> None:
    wait_for(f"{kind} {name} to be gone", lambda: get(kind, name, namespace) is None, seconds)


def begin_deleting_namespace(namespace: str) -> None:
    kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def delete_namespace(namespace: str, seconds: float = 120) -> None:
    """Everything in it, in a bounded time; nothing to do where there is none."""
    begin_deleting_namespace(namespace)
    wait_for(
        f"the namespace {namespace} to be gone",
        lambda: get("namespace", namespace) is None,
        seconds,
        lambda: describe_namespace(namespace),
    )


def create_namespace(namespace: str) -> None:
    apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))


def describe_namespace(namespace: str) -> str:
    """What a person would look at first: conditions, pods, the last events."""
    resource = get("namespace", namespace)
    if resource is None:
        return f"there is no namespace {namespace}"
    parts = [
        json.dumps(resource.get("status", {}), indent=1),
        kubectl("get", "pods,jobs,pvc", "-o", "wide", namespace=namespace),
        last_events(namespace),
    ]
    return "\n".join(parts)


def last_events(namespace: str, count: int = 25) -> str:
    lines = kubectl("get", "events", "--sort-by=.lastTimestamp", namespace=namespace).splitlines()
    return "\n".join(lines[:1] + lines[1:][-count:])


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
