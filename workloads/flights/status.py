"""What the traffic tells while it runs: GET /status, and POST /stop to end it. For the one who orchestrates."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from flights.ledger import Ledger, Tally

HISTORY_SECONDS = 60


@dataclass(slots=True)
class RateHistory:
    """Acknowledged writes in each of the last seconds."""

    last_total: int = 0
    per_second: deque[int] = field(default_factory=lambda: deque(maxlen=HISTORY_SECONDS))

    def sample(self, total: int) -> None:
        self.per_second.append(total - self.last_total)
        self.last_total = total


def build_status(ledger: Ledger, history: RateHistory, buckets_moved: int, is_finished: bool) -> dict[str, Any]:
    return {
        "finished": is_finished,
        "writes": ledger.total(Tally.WRITES),
        "writes_failed": ledger.total(Tally.WRITES_FAILED),
        "writes_unknown": ledger.total(Tally.WRITES_UNKNOWN),
        "reads": ledger.total(Tally.READS),
        "reads_failed": ledger.total(Tally.READS_FAILED),
        "reads_stale": ledger.total(Tally.READS_STALE),
        "buckets_moved": buckets_moved,
        "writes_per_second": list(history.per_second),
        "write_latency": ledger.latency_histogram(),
    }


def serve_status(port: int, status: Callable[[], dict[str, Any]], stop: Callable[[], None]) -> ThreadingHTTPServer:
    """Starts the server in a thread of its own; `shutdown()` ends it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, status()) if self.path == "/status" else self.answer(404, {"error": "try /status"})

        def do_POST(self) -> None:
            # A body that nobody has read makes the kernel reset the connection, and the answer is lost with it.
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path != "/stop":
                return self.answer(404, {"error": "try /stop"})
            stop()
            return self.answer(202, {"stopping": True})

        def answer(self, code: int, body: dict[str, Any]) -> None:
            payload = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:
            """Asked every second: not worth a line."""

    server = ThreadingHTTPServer(("", port), Handler)
    Thread(target=server.serve_forever, name="status", daemon=True).start()
    return server
