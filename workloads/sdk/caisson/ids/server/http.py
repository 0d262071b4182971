"""The server itself: a thread a connection, kept alive; the standard library's, told to send each answer in one piece."""

import logging
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from caisson.ids.allocator import IdAllocator
from caisson.ids.server.access import Access
from caisson.ids.server.answers import answer
from caisson.ids.server.certificate import Certificate
from caisson.ids.server.plain import HANDSHAKE, peek, refuse_plain

SWITCH_SECONDS = 0.0005
"""A thread that computes gives way so soon; the interpreter's own 5 ms would be every other connection's latency."""
IDLE_SECONDS = 60.0
HANDSHAKE_SECONDS = 10.0
log = logging.getLogger("caisson")


class IdServer(ThreadingHTTPServer):
    """Serves until `shutdown`. Connections that are open then are dropped with the process.

    Over TLS alone where there is a `certificate`; without one in the clear, for tests and for programs on the same machine.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        ids: IdAllocator,
        access: Access | None,
        certificate: Certificate | None = None,
    ) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        super().__init__(address, Handler)
        self.ids, self.access, self.certificate = ids, access, certificate

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: who is slow to greet holds up nobody else."""
        if self.certificate is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(HANDSHAKE_SECONDS)
        first = peek(request)
        if first == HANDSHAKE:
            with self.certificate.context().wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        elif first:
            refuse_plain(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke, or a client that does not trust the certificate, is no fault of the server's: a line is enough."""
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handle_error(request, client_address)
            return
        log.info("connection_ended client=%s reason=%s", client_address[0], error)


class Handler(BaseHTTPRequestHandler):
    server: IdServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "caisson-ids", ""
    timeout = IDLE_SECONDS
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        given = answer(self.path, self.headers.get("Authorization"), self.server.ids, self.server.access)
        self.send_response(given.status)
        self.send_header("Content-Type", given.kind)
        self.send_header("Content-Length", str(len(given.body)))
        self.send_header("Cache-Control", "no-store")
        if given.status == 401:
            self.send_header("WWW-Authenticate", 'Bearer realm="caisson-ids"')
        if given.status == 503:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(given.body)

    def log_message(self, format: str, *args: object) -> None:
        """Not a line for each id."""
