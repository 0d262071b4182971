"""The server over TLS: HTTPS alone, a certificate that clients verify, and another one without a restart."""

import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

import caisson
from caisson.ids.server.access import Access
from caisson.ids.server.certificate import Certificate
from caisson.ids.server.http import IdServer
from caisson_operator.effects.certificates import KeyPair
from fakes.certificates import new_authority, write_certificate

NAME = "localhost"
AUTHORITY, ANOTHER = new_authority(), new_authority()
TOKEN = {"Authorization": "Bearer sesame"}


@dataclass
class Mount:
    """A Secret as the kubelet mounts it: each version in a directory of its own, behind one link that moves."""

    root: Path
    versions: int = 0

    def write(self, *names: str, authority: KeyPair = AUTHORITY) -> None:
        self.versions += 1
        made = self.root / f"..{self.versions}"
        made.mkdir()
        write_certificate(made, names, authority)
        self.move(made.name)

    def move(self, version: str) -> None:
        (self.root / "..new").symlink_to(version)
        os.replace(self.root / "..new", self.root / "..data")
        for name in ("tls.crt", "tls.key", "ca.crt"):
            if not (self.root / name).is_symlink():
                (self.root / name).symlink_to(f"..data/{name}")


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    made = Mount(tmp_path)
    made.write(NAME)
    return made


@pytest.fixture
def port(mount: Mount) -> Iterator[int]:
    access, certificate = Access(lambda: "sesame"), Certificate(mount.root)
    with (
        caisson.IdAllocator.connect(mode="uuid7") as ids,
        IdServer(("127.0.0.1", 0), ids, access, certificate) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def trusting(authority: KeyPair) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.certificate)


def ask(connection: http.client.HTTPConnection) -> int:
    """How many ids there were of three."""
    connection.request("GET", "/next?count=3", headers=TOKEN)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    return len(json.loads(response.read())["ids"])


def connect(port: int, authority: KeyPair = AUTHORITY, name: str = NAME) -> http.client.HTTPSConnection:
    """A connection that is open, verified in full."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10)
    plain = socket.create_connection(("127.0.0.1", port), 10)
    connection.sock = trusting(authority).wrap_socket(plain, server_hostname=name)
    return connection


def serial(connection: http.client.HTTPSConnection) -> object:
    shown = connection.sock.getpeercert()
    assert shown
    return shown["serialNumber"]


def test_gives_ids_on_one_connection_to_who_trusts_its_authority(port: int) -> None:
    connection = connect(port)
    assert [ask(connection) for _ in range(3)] == [3, 3, 3]


def test_ends_a_connection_in_the_clear_with_what_to_do(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/next?count=3", headers=TOKEN)
    response = connection.getresponse()
    told = json.loads(response.read())
    assert (response.status, told["is_safe_to_retry"]) == (400, False)
    assert "HTTPS alone" in told["error"]
    assert response.getheader("Connection") == "close"
    assert "ids" not in told


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_tells_nothing_of_itself_in_the_clear_either(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    assert connection.getresponse().status == 400


@pytest.mark.parametrize(("authority", "name"), [(ANOTHER, NAME), (AUTHORITY, "another.host")])
def test_is_not_taken_for_another_server_and_goes_on(port: int, authority: KeyPair, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(port, authority, name)
    assert ask(connect(port)) == 3


def test_speaks_nothing_older_than_tls_1_2(port: int) -> None:
    old = trusting(AUTHORITY)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port), 10) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain, server_hostname=NAME)


def test_who_never_greets_holds_up_nobody(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10):
        assert ask(connect(port)) == 3


def test_who_leaves_without_a_word_is_no_fault(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    socket.create_connection(("127.0.0.1", port), 10).close()
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        plain.sendall(b"\x16nonsense")
        with suppress(ConnectionResetError):  # an alert, an end or a reset: however the server lets go, it has done so
            while plain.recv(100):
                pass
    assert ask(connect(port)) == 3
    assert "Traceback" not in capfd.readouterr().err


def test_a_renewed_certificate_is_shown_without_a_restart_and_open_connections_go_on(port: int, mount: Mount) -> None:
    before = connect(port)
    mount.write(NAME)
    after = connect(port)
    assert serial(after) != serial(before)
    assert (ask(before), ask(after)) == (3, 3)


def test_another_authority_is_followed(port: int, mount: Mount) -> None:
    mount.write(NAME, authority=ANOTHER)
    assert ask(connect(port, ANOTHER)) == 3
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(port, AUTHORITY)


def test_half_of_a_change_is_not_taken_up(port: int, mount: Mount) -> None:
    """Somebody else than Kubernetes writes the certificate first and its key a while later."""
    before = serial(connect(port))
    half = mount.root / "..half"
    half.mkdir()
    files = write_certificate(half, [NAME], AUTHORITY)
    key = files.key.read_text()
    files.key.write_text((mount.root / "tls.key").read_text())
    mount.move(half.name)
    assert serial(connect(port)) == before
    files.key.write_text(key)
    assert serial(connect(port)) != before


def test_goes_on_with_what_it_has_where_the_files_have_gone(port: int, mount: Mount) -> None:
    (mount.root / "..data").unlink()
    assert ask(connect(port)) == 3


@pytest.mark.parametrize("broken", ["tls.crt", "tls.key", None])
def test_is_not_opened_without_a_certificate_and_its_key(mount: Mount, tmp_path: Path, broken: str | None) -> None:
    if broken:
        (mount.root / broken).unlink()
        (mount.root / broken).write_text("nothing")
    with pytest.raises(caisson.ConfigurationError, match=r"tls\.crt and its tls\.key"):
        Certificate(tmp_path if broken else tmp_path / "nowhere")
