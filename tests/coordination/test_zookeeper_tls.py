"""Who is let in over TLS and whom a client believes; and kazoo's sockets, which have to be told how TLS differs."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError, SequentialThreadingHandler

import caisson
from caisson.errors import NoIds, StoreUnavailable
from caisson.locks.zookeeper import Target, ZooKeeperStore
from caisson.locks.zookeeper.client import _Connection, _Handler
from caisson_operator.core.lock_space import StoreUnreachable
from caisson_operator.effects.locks.zookeeper import read_space
from caisson_operator.effects.zookeeper_tls import TlsHandler
from coordination.lock_contract import take
from coordination.zookeeper import Ensemble
from coordination.zookeeper_tls import HOST, Identity, make_identity

SPACE = "tests/tls"


@pytest.fixture
def foreign(tmp_path: Path) -> Identity:
    """Of an authority that does not vouch for the ensemble."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    return make_identity(folder)


def open_store(target: Target, start_seconds: float) -> ZooKeeperStore:
    return ZooKeeperStore(target, SPACE, 10.0, makes_space=True, start_seconds=start_seconds)


def test_a_client_that_verifies_the_ensemble_is_let_in(secure_zookeeper: Ensemble) -> None:
    store = open_store(Target(secure_zookeeper.hosts, authority=secure_zookeeper.authority), 30)
    assert store.release(take(store))
    store.close()
    assert secure_zookeeper.authority is not None
    entries = {"hosts": secure_zookeeper.hosts, "ca.crt": secure_zookeeper.authority.read_text()}
    assert asyncio.run(read_space(entries, SPACE)).granted == 1


def test_a_client_without_tls_is_not(secure_zookeeper: Ensemble) -> None:
    with pytest.raises(StoreUnavailable):
        open_store(Target(secure_zookeeper.hosts), 2)
    client = KazooClient(secure_zookeeper.hosts)
    with pytest.raises(KazooTimeoutError):
        client.start(timeout=2)
    client.close()


def test_an_ensemble_of_a_foreign_authority_is_not_believed(secure_zookeeper: Ensemble, foreign: Identity) -> None:
    with pytest.raises(StoreUnavailable, match=f"{HOST} showed a certificate that is not trusted"):
        open_store(Target(secure_zookeeper.hosts, authority=foreign.authority), 2)
    with pytest.raises(StoreUnreachable):
        asyncio.run(read_space({"hosts": secure_zookeeper.hosts, "ca.crt": foreign.authority.read_text()}, SPACE))


def test_a_server_that_shows_a_certificate_for_another_name_is_not_believed(secure_zookeeper: Ensemble) -> None:
    other_name = secure_zookeeper.hosts.replace(HOST, "127.0.0.1")
    with pytest.raises(
        StoreUnavailable, match=r"127\.0\.0\.1 showed a certificate that is not trusted: .*not valid for"
    ):
        open_store(Target(other_name, authority=secure_zookeeper.authority), 2)


def test_ids_go_by_the_authority_of_their_binding(secure_zookeeper: Ensemble, tmp_path: Path) -> None:
    authority = secure_zookeeper.authority
    assert authority is not None
    entries = {"type": "caisson-ids", "backend": "zookeeper", "mode": "snowflake", "space": "tests/tls-ids"}
    for name, text in {**entries, "hosts": secure_zookeeper.hosts, "ca.crt": authority.read_text()}.items():
        (tmp_path / name).write_text(text)
    with caisson.IdAllocator.connect(binding=tmp_path) as ids:
        assert ids.next() < ids.next()
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(NoIds), caisson.IdAllocator.connect(binding=tmp_path) as ids:
        ids.next()


# What TLS has read of the socket and the program has not taken yet.


@pytest.fixture
def pair(identity: Identity) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """A client's and a server's end of one connection, the client's as kazoo has it: non-blocking."""
    ours, theirs = socket.socketpair()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(identity.key_store)
    client = ssl.create_default_context(cafile=identity.authority).wrap_socket(
        ours, server_hostname=HOST, do_handshake_on_connect=False
    )
    server = serving.wrap_socket(theirs, server_side=True, do_handshake_on_connect=False)
    shake_hands(client, server)
    yield client, server
    client.close()
    server.close()


def shake_hands(*ends: ssl.SSLSocket) -> None:
    """Both from one thread, in turn."""
    open_ends = list(ends)
    for end in ends:
        end.setblocking(False)
    while open_ends:
        for end in list(open_ends):
            try:
                end.do_handshake()
                open_ends.remove(end)
            except ssl.SSLWantReadError:
                continue
    ends[1].setblocking(True)


@pytest.fixture(params=["sdk", "operator"])
def handler(request: pytest.FixtureRequest, identity: Identity) -> SequentialThreadingHandler:
    return _Handler() if request.param == "sdk" else TlsHandler(identity.authority.read_text())


def test_what_came_with_an_earlier_answer_is_seen_at_once(
    pair: tuple[ssl.SSLSocket, ssl.SSLSocket], handler: SequentialThreadingHandler
) -> None:
    client, server = pair
    server.sendall(b"onetwo")
    assert handler.select([client], [], [], 30)[0] == [client]
    assert client.recv(3) == b"one"
    assert handler.select([client], [], [], 30)[0] == [client]
    assert SequentialThreadingHandler().select([client], [], [], 0)[0] == [], "the control: the socket itself is silent"
    assert client.recv(3) == b"two"
    assert handler.select([client], [], [], 0)[0] == []


def test_a_connection_that_is_broken_on_purpose_never_speaks_in_plain_text(
    pair: tuple[ssl.SSLSocket, ssl.SSLSocket],
) -> None:
    client, server = pair
    connection = object.__new__(_Connection)
    connection._socket = client
    connection.drop()
    with pytest.raises(OSError):
        client.send(b"secret")
    assert client.version() is not None, "it is a TLS socket still"
    assert server.recv(100) == b""


def test_a_tls_socket_that_is_shut_down_by_its_own_method_is_a_plain_one(
    pair: tuple[ssl.SSLSocket, ssl.SSLSocket],
) -> None:
    """The control."""
    client, _ = pair
    client.shutdown(socket.SHUT_RD)
    assert client.version() is None
