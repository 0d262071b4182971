"""The server itself: a thread a connection, kept alive; the standard library's, told to send each answer in one piece."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from caisson.ids.allocator import IdAllocator
from caisson.ids.server.access import Access
from caisson.ids.server.answers import answer

SWITCH_SECONDS = 0.0005
"""A thread that computes gives way so soon; the interpreter's own 5 ms would be every other connection's latency."""
IDLE_SECONDS = 60.0


class IdServer(ThreadingHTTPServer):
    """Serves until `shutdown`. Connections that are open then are dropped with the process."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], ids: IdAllocator, access: Access | None) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        super().__init__(address, Handler)
        self.ids, self.access = ids, access


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
