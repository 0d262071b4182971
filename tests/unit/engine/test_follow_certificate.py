"""A renewed certificate is taken up once it is mounted, and who shows it already is left alone.

Against real servers of this process, one of them behind PostgreSQL's own prelude.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread

import pytest

import follow_certificate as program
from fakes.certificates import Files, write_certificate


class Server:
    """Shows the certificate that it has last read, and has nothing else to say."""

    def __init__(self, files: Files, greeting: bytes = b"") -> None:
        self.files, self.greeting = files, greeting
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.listener.getsockname()
        self.read()
        Thread(target=self.serve, daemon=True).start()

    def read(self) -> None:
        self.context = self.files.server_context()

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            with plain:
                if self.greeting and plain.recv(8) == program.SSL_REQUEST:
                    plain.sendall(self.greeting)
                try:
                    self.context.wrap_socket(plain, server_side=True).close()
                except OSError:  # an SSLError is one
                    continue

    def close(self) -> None:
        with suppress(OSError):  # closed already
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_certificate(tmp_path, ["localhost"])


@pytest.fixture
def restapi(files: Files) -> Iterator[Server]:
    with closing(Server(files)) as server:
        yield server


@pytest.fixture
def postgresql(files: Files) -> Iterator[Server]:
    with closing(Server(files, greeting=b"S")) as server:
        yield server


class Reload:
    """Patroni, told to read everything anew."""

    def __init__(self, *servers: Server) -> None:
        self.servers, self.times = servers, 0

    def __call__(self) -> None:
        self.times += 1
        for server in self.servers:
            server.read()


def build_follower(files: Files, postgresql: Server, restapi: Server, reload: Callable[[], None]) -> program.Follower:
    looks = (lambda: program.look_at_postgresql(postgresql.address), lambda: program.look_at_restapi(restapi.address))
    return program.Follower(files.certificate, looks, reload)


def test_reads_what_each_server_shows(files: Files, postgresql: Server, restapi: Server) -> None:
    mounted = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
    assert program.look_at_postgresql(postgresql.address) == program.look_at_restapi(restapi.address) == mounted
    assert program.read_mounted(files.certificate) == mounted


def test_a_renewed_certificate_is_taken_up_once(files: Files, postgresql: Server, restapi: Server) -> None:
    reload = Reload(postgresql, restapi)
    follower = build_follower(files, postgresql, restapi, reload)
    follower.round()
    assert reload.times == 0, "both show what is mounted"
    write_certificate(files.certificate.parent, ["localhost"])
    for _ in range(3):
        follower.round()
    assert reload.times == 1
    assert program.look_at_restapi(restapi.address) == program.read_mounted(files.certificate)


def test_is_told_again_until_both_show_it(files: Files, postgresql: Server, restapi: Server) -> None:
    reload = Reload(restapi)
    follower = build_follower(files, postgresql, restapi, reload)
    write_certificate(files.certificate.parent, ["localhost"])
    for _ in range(3):
        follower.round()
    assert reload.times == 3
    postgresql.read()
    for _ in range(2):
        follower.round()
    assert reload.times == 3


def test_a_server_that_is_down_is_waited_for_and_not_reloaded(
    files: Files, postgresql: Server, restapi: Server
) -> None:
    reload = Reload(postgresql, restapi)
    follower = build_follower(files, postgresql, restapi, reload)
    postgresql.close()
    write_certificate(files.certificate.parent, ["localhost"])
    restapi.read()
    for _ in range(2):
        follower.round()
    assert reload.times == 0
    assert follower._settled is None


def test_a_file_that_is_missing_or_half_written_changes_nothing(
    files: Files, postgresql: Server, restapi: Server
) -> None:
    reload = Reload()
    follower = build_follower(files, postgresql, restapi, reload)
    files.certificate.write_text("-----BEGIN CERT")
    follower.round()
    files.certificate.unlink()
    follower.round()
    assert reload.times == 0
