"""Composition root of the id server: arguments, the allocator, and an orderly end on SIGTERM."""

import argparse
import gc
import logging
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from caisson.ids.allocator import IdAllocator
from caisson.ids.opening import find_binding
from caisson.ids.server.access import open_access
from caisson.ids.server.certificate import CERTIFICATE, KEY, Certificate
from caisson.ids.server.http import IdServer


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m caisson.ids.server", description=__doc__)
    parser.add_argument("allocator", help="name of the binding under $SERVICE_BINDING_ROOT")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=8443, help="0: a free one, printed")
    parser.add_argument("--without-token", action="store_true", help="give ids to whoever asks")
    shown = parser.add_mutually_exclusive_group(required=True)
    shown.add_argument(
        "--tls",
        metavar="DIRECTORY",
        type=Path,
        help=f"serve HTTPS alone, with its {CERTIFICATE} and {KEY}, read anew when they change",
    )
    shown.add_argument("--without-tls", action="store_true", help="serve HTTP in the clear, tokens and all")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    path = find_binding(given.allocator)
    access = None if given.without_token else open_access(path)
    certificate = Certificate(given.tls) if given.tls else None
    address = (given.host, given.port)
    with IdAllocator.connect(binding=path) as ids, IdServer(address, ids, access, certificate) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        gc.collect()
        gc.freeze()  # what is there now stays: no request waits for it to be looked through
        print(f"serving {given.allocator} on port {server.server_address[1]}", flush=True)
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
