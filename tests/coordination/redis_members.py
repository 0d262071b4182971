"""Redis and Sentinel as a pod of a BackingCluster has them: over TLS alone, with the very configuration that the image writes.

Only places differ: files are the test's, ports are free ones, and every member is at localhost.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from caisson_operator.core.certificates import ServerAccess
from caisson_operator.effects.certificates import KeyPair
from coordination.redis import Server, new_server
from fakes.certificates import Files, new_authority, write_certificate
from redis_member.configuration import build_redis, build_sentinel
from redis_member.member import CERTIFICATE, DATA, SENTINEL_FILE, SENTINEL_SOCKET, SOCKET, Member

HOST, ADMIN, APPLICATION = "localhost", "admin-pass", "app-pass"
AUTHORITY, ANOTHER = new_authority(), new_authority()


@dataclass(frozen=True, slots=True)
class Running:
    """A server and the files that it shows."""

    server: Server
    files: Files

    @property
    def socket(self) -> str:
        return self.server.socket

    def show(self, *names: str, authority: KeyPair = AUTHORITY) -> None:
        """Another certificate in the files, as when Kubernetes has changed a mounted Secret."""
        write_certificate(self.files.certificate.parent, names, authority)

    def access(self, authority: KeyPair = AUTHORITY, name: str = HOST) -> ServerAccess:
        return ServerAccess(name, authority.certificate, ADMIN)


def member(number: int = 0, is_replicated: bool = True) -> Member:
    # Two members: a primary with one replica takes writes once that follows.
    return Member(
        "cache", f"cache-{number}", "cache-members.demo.svc", 2, is_replicated, "everysec", ADMIN, APPLICATION
    )


@contextmanager
def running_member(primary: Running | None = None, authority: KeyPair = AUTHORITY) -> Iterator[Running]:
    """A primary, or a replica of one."""
    who = member(1 if primary else 0)
    text = build_redis(who, HOST if primary else None)
    if primary:
        text = text.replace(f"replicaof {HOST} 6379", f"replicaof {HOST} {primary.server.port}")
    with _running(text, who, authority) as running:
        yield running


@contextmanager
def running_sentinel(primary: Running, authority: KeyPair = AUTHORITY) -> Iterator[Running]:
    """That alone watches `primary`, and needs nobody's consent."""
    who = member()
    text = build_sentinel(who, HOST).replace(f"{HOST} 6379 2", f"{HOST} {primary.server.port} 1")
    with _running(text, who, authority, "--sentinel") as running:
        yield running


@contextmanager
def _running(text: str, who: Member, authority: KeyPair, *arguments: str) -> Iterator[Running]:
    server = new_server({"requirepass": ADMIN})
    server.arguments, folder = arguments, server.directory
    files = write_certificate(folder, [HOST], authority)
    server.authority = files.authority
    places = {str(DATA): folder, str(SENTINEL_FILE.parent): folder, str(CERTIFICATE.parent): folder}
    for path, place in {**places, SOCKET: server.socket, SENTINEL_SOCKET: server.socket, who.host: HOST}.items():
        text = text.replace(path, str(place))
    (folder / "redis.conf").write_text(re.sub(r"\b2?6379\b", str(server.port), text))
    try:
        server.start()
        yield Running(server, files)
    finally:
        server.destroy()


def write_binding(folder: Path, primary: Running, sentinel: Running | None, authority: KeyPair = AUTHORITY) -> Path:
    """As the operator makes it."""
    folder.mkdir()
    entries = {
        "type": "redis",
        "host": HOST,
        "port": str(primary.server.port),
        "username": "caisson",
        "password": APPLICATION,
        "ca.crt": authority.certificate,
    }
    if sentinel:
        entries |= {"sentinels": json.dumps([{"host": HOST, "port": sentinel.server.port}]), "master": "cache"}
    for name, value in entries.items():
        (folder / name).write_text(value)
    return folder
