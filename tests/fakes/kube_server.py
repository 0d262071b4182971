"""An API server in memory, over HTTP: objects of one namespace, merge patches, and the comparison of resourceVersions.

`tests/api/test_early_expiry.py` holds what is relied on here against the real one.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Thread
from typing import Any

NAMESPACE = "/api/v1/namespaces/demo/"


@dataclass
class FakeKube:
    """`before` is called with method and path before each answer: what others do meanwhile. It may set `is_down`."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = 1
    writes: list[str] = field(default_factory=list)
    is_down: bool = False
    before: Callable[[str, str], None] = lambda method, path: None
    base: str = ""

    def put(self, path: str, annotations: dict[str, str], **rest: Any) -> None:
        self.version += 1
        metadata = {"resourceVersion": str(self.version), "annotations": annotations}
        self.objects[path] = {"metadata": metadata, **rest}

    def annotations(self, path: str) -> dict[str, str]:
        found: dict[str, str] = self.objects[path]["metadata"]["annotations"]
        return found

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.before(method, path)
        if self.is_down:
            return 503, {}
        if path not in self.objects:
            return 404, {}
        return (200, self.objects[path]) if method == "GET" else self.patch(path, body)

    def patch(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        found = self.objects[path]
        wanted = body["metadata"].pop("resourceVersion", None)
        if wanted not in (None, found["metadata"]["resourceVersion"]):
            return 409, {}
        merged = merge(found, body)
        if merged != found:
            self.version += 1
            merged["metadata"]["resourceVersion"] = str(self.version)
        self.objects[path] = merged
        self.writes.append(path)
        return 200, merged


def merge(base: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = merge(kept.get(key), value)
    return kept


@contextmanager
def serve(
    answer: Callable[[str, str, dict[str, Any]], tuple[int, Any]],
    host: str,
    port: int = 0,
    tls: SSLContext | None = None,
) -> Iterator[int]:
    """JSON over HTTP, or HTTPS, on `host`; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply("GET")

        def do_PATCH(self) -> None:
            self.reply("PATCH")

        def reply(self, method: str) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
            code, document = answer(method, self.path, body)
            text = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer((host, port), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serve_kube(kube: FakeKube) -> Iterator[FakeKube]:
    def answer(method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return kube.answer(method, path.removeprefix(NAMESPACE), body)

    with serve(answer, "127.0.0.1") as port:
        kube.base = f"http://127.0.0.1:{port}{NAMESPACE.rstrip('/')}"
        yield kube
