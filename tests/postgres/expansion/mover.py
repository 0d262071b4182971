"""A leader in a process of its own, to be killed and stopped from outside: the driver's loop, telling each place that it passes.

Each line on stdout is one place. It ends with 0 when all is settled and with DEPOSED when a leader of a later term has begun.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from caisson_operator.core.decisions import Step
from caisson_operator.effects.postgres.fence import Drill
from caisson_operator.effects.postgres.sessions import DeposedError
from postgres.clusters import Cluster
from postgres.expansion.driver import Operator, Spec

DEPOSED = 3
ANSWER_SECONDS = 60.0


@dataclass
class Mover:
    """The process, seen from the test."""

    process: subprocess.Popen[str]

    def places(self) -> Iterator[str]:
        """Each place as it is passed; ends with the process."""
        assert self.process.stdout
        for line in self.process.stdout:
            yield line.strip()

    def wait_for(self, wanted: str) -> None:
        if not any(place == wanted for place in self.places()):
            raise AssertionError(f"the mover ended with {self.process.wait()} and never came to {wanted!r}")

    def kill9(self) -> int:
        """Its exit status: -SIGKILL, unless it had ended before."""
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait()

    def wait_until_stopped(self) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.is_stopped():
            if time.monotonic() > deadline:
                raise TimeoutError("the mover was not stopped")
            time.sleep(0.01)

    def is_stopped(self) -> bool:
        state = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state == "T"

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """Its exit status, once it has said all."""
        for _ in self.places():
            pass
        return self.process.wait(ANSWER_SECONDS)


@contextmanager
def running_mover(clusters: Sequence[Cluster], spec: Spec, term: int, stop_at: str = "") -> Iterator[Mover]:
    """`stop_at`: the place at which the process stops itself (SIGSTOP), once."""
    task = {"ports": [cluster.port for cluster in clusters], "spec": spec, "term": term, "stop_at": stop_at}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", __name__, json.dumps(task)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield Mover(process)
    finally:
        process.kill()
        process.wait()


def main() -> int:
    task = json.loads(sys.argv[1])
    stop_at = [task["stop_at"]]

    def tell(place: str) -> None:
        print(place, flush=True)
        if place in stop_at:
            stop_at.remove(place)
            os.kill(os.getpid(), signal.SIGSTOP)

    def tell_step(step: Step) -> None:
        tell(type(step).__name__)

    clusters = [Cluster(Path(), port) for port in task["ports"]]
    drill = Drill(at=tell)
    operator = Operator(clusters, 2, task["term"], task["spec"], drill, survives_faults=True, before_step=tell_step)
    return asyncio.run(lead(operator))


async def lead(operator: Operator) -> int:
    try:
        await operator.run()
    except DeposedError:
        print("deposed", flush=True)
        return DEPOSED
    finally:
        await operator.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
