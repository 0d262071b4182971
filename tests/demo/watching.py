"""Follows one field of one object by kubectl's own watch: every change, at no cost between two of them."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from threading import Thread
from typing import Any

from demo.cluster import TimedOutError, environment

END = ""


@contextmanager
def watched_lines(kind: str, name: str, namespace: str, path: str) -> Iterator["Queue[str]"]:
    """A queue of the field's values as JSON, the present one first; `END` when kubectl has ended."""
    template = "jsonpath={%s}{'\\n'}" % path  # noqa: UP031, braces are kubectl's
    command = ["kubectl", "--namespace", namespace, "get", kind, name, "--watch", "--output", template]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    lines: Queue[str] = Queue()
    reader = Thread(target=pass_on, args=(process, lines), daemon=True)
    reader.start()
    try:
        yield lines
    finally:
        process.terminate()
        process.wait()
        reader.join()


def pass_on(process: "subprocess.Popen[str]", lines: "Queue[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(END)


def follow_field(kind: str, name: str, namespace: str, path: str, seconds: float) -> Iterator[dict[str, Any]]:
    """The field's values as they change, {} while it is not there; TimedOutError once `seconds` have passed.

    A watch that the API server ends is begun anew; one that showed nothing is an error.
    """
    deadline = time.monotonic() + seconds
    has_shown = True
    while has_shown:
        has_shown = False
        with watched_lines(kind, name, namespace, path) as lines:
            while (line := next_line(lines, deadline, f"{kind} {name} {path}")) != END:
                has_shown = True
                yield json.loads(line) if line.strip() else {}
    raise LookupError(f"there is no {kind} {namespace}/{name} to watch")


def next_line(lines: "Queue[str]", deadline: float, what: str) -> str:
    try:
        return lines.get(timeout=max(0.0, deadline - time.monotonic()))
    except Empty as error:
        raise TimedOutError(f"waited too long for {what}") from error
