"""A bare kube-apiserver, and kubectl and helm as a person would use them on it."""

import json
import os
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
SECONDS = 60


def tools_environment() -> dict[str, str]:
    """The environment with the project's own kubectl and helm first in PATH."""
    script = f'eval "$({shlex.quote(str(REPOSITORY / "tests/kind/env"))})" && printf %s "$PATH"'
    path = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout
    return {**os.environ, "PATH": path}


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    out: str
    error: str


@dataclass(frozen=True, slots=True)
class ApiServer:
    kubeconfig: Path
    environment: dict[str, str] = field(repr=False)

    def try_kubectl(self, *arguments: str, stdin: object = None) -> Answer:
        return self._run("kubectl", *arguments, stdin=json.dumps(stdin) if stdin is not None else None)

    def kubectl(self, *arguments: str, stdin: object = None) -> str:
        """Raises AssertionError, with what kubectl said, if it failed."""
        answer = self.try_kubectl(*arguments, stdin=stdin)
        assert answer.code == 0, answer.error
        return answer.out

    def apply_text(self, text: str) -> None:
        answer = self._run("kubectl", "apply", "-f", "-", stdin=text)
        assert answer.code == 0, answer.error

    def get(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def helm(self, *arguments: str) -> Answer:
        return self._run("helm", *arguments)

    def can(self, account: str, *what: str) -> bool:
        """Whether a service account, as `namespace:name`, may do it."""
        answer = self.try_kubectl("auth", "can-i", *what, "--as", f"system:serviceaccount:{account}")
        assert answer.out.strip() in ("yes", "no"), answer
        return answer.out.strip() == "yes"

    def _run(self, program: str, *arguments: str, stdin: str | None = None) -> Answer:
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**self.environment, "KUBECONFIG": str(self.kubeconfig)},
            cwd=REPOSITORY,
        )
        return Answer(done.returncode, done.stdout, done.stderr)
