"""Composition root: the only reader of arguments, environment, clocks and randomness; turns errors into exit codes."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from .arguments import build_parser
from .commands import Surroundings, needs_cluster, run
from .connection import Connection, Target, connect
from .errors import CliError
from .kube import Nowhere

DONE, FAILED, INTERRUPTED = 0, 1, 130


def main(arguments: Sequence[str] | None = None, open_connection: Callable[[Target], Connection] = connect) -> int:
    own = _version_of("kubectl-caisson")
    options = build_parser(own).parse_args(arguments)
    try:
        target = Target(options.kubeconfig, options.context, options.namespace)
        connection = open_connection(target) if needs_cluster(options) else Connection(Nowhere(), "")
        run(options, _look_around(connection, own))
    except CliError as error:
        return _end(f"error: {error}", FAILED)
    except KeyboardInterrupt:
        return _end("interrupted; a request that was made stands: kubectl caisson status", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read us has had enough; the interpreter would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return DONE


def _look_around(connection: Connection, own: str) -> Surroundings:
    return Surroundings(
        kube=connection.kube,
        namespace=connection.namespace,
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        pause=time.sleep,
        draw_id=lambda: secrets.token_hex(4),
        tell=lambda text: print(text, flush=True),
        note=lambda text: print(text, file=sys.stderr, flush=True),
        versions={"kubectl-caisson": own, "python": python_version(), "kubernetes": _version_of("kubernetes")},
    )


def _end(told: str, code: int) -> int:
    print(told, file=sys.stderr)
    return code


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
