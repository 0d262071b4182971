"""Starts programs of this folder as processes, and stops or kills them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parents[1]
PATHS = (TESTS, TESTS.parent / "workloads/sdk")


@contextmanager
def running(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Killed at the end if it still runs."""
    process = subprocess.Popen(
        # As a module: with this folder on the path, its redis.py would stand before the client's.
        [sys.executable, "-m", f"coordination.{program}", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def stopped(processes: Sequence[subprocess.Popen[str]]) -> Iterator[None]:
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def write_line(process: subprocess.Popen[str], text: str = "") -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()
