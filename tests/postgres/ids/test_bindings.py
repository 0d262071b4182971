"""Allocators found by the binding that the operator makes, and the server program that reads one."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

import caisson
from caisson.ids.layout import Layout
from fakes.certificates import write_certificate
from postgres.clusters import Cluster
from postgres.ids.bindings import write_binding

SDK = Path(__file__).resolve().parents[3] / "workloads/sdk"
SERVER = [sys.executable, "-m", "caisson.ids.server", "ids", "--host", "127.0.0.1", "--port", "0"]


@pytest.mark.parametrize("mounted_as", ["orders", "orders-ids-binding"])
def test_a_binding_is_found_by_the_allocators_name(
    server: Cluster, space: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounted_as: str
) -> None:
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path))
    layout = {
        "layout": "41+8+14",
        "epoch": "2020-01-01T00:00:00Z",
        "reserve_seconds": "30",
        "max_rollback_seconds": "0.5",
    }
    write_binding(tmp_path, mounted_as, server, **{**layout, "space": space})
    with caisson.IdAllocator.connect("orders") as ids:
        assert ids.options.layout == Layout.of("41+8+14", "2020-01-01T00:00:00Z")
        assert (ids.options.reserve, ids.options.max_rollback) == (30.0, 0.5)
        assert ids.decode(ids.next()).worker == 0


def test_settings_of_the_caller_win(server: Cluster, space: str, tmp_path: Path) -> None:
    path = write_binding(tmp_path, "orders", server, space=space)
    with caisson.IdAllocator.connect(binding=path, timeout=0.5, reserve=3.0) as ids:
        assert (ids.options.timeout, ids.options.reserve, ids.options.space) == (0.5, 3.0, space)


def test_any_postgresql_is_known_by_its_uri_alone(server: Cluster, space: str, tmp_path: Path) -> None:
    path = write_binding(tmp_path, "orders", server, space=space, mode="segment")
    for key in ("host", "port", "database", "username", "password"):
        (path / key).unlink()
    (path / "uri").write_text(f"postgresql://postgres@127.0.0.1:{server.port}/app")
    with caisson.IdAllocator.connect(binding=path) as ids:
        assert ids.take(3) == [1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"type": "postgresql"}, "not 'caisson-ids'"),
        ({"mode": "random"}, "no mode 'random'"),
        ({"layout": "41+22+12"}, "more than 63 bits"),
        ({"reserve_seconds": "soon"}, "cannot be read"),
        ({"mode": "redis"}, "does not work with backend 'database'"),
    ],
)
def test_says_what_is_wrong_with_a_binding(server: Cluster, tmp_path: Path, changes: dict[str, str], says: str) -> None:
    path = write_binding(tmp_path, "orders", server, **changes)
    with pytest.raises(caisson.ConfigurationError, match=says):
        caisson.IdAllocator.connect(binding=path)


def test_an_allocator_never_shows_its_password(server: Cluster, space: str, tmp_path: Path) -> None:
    path = write_binding(tmp_path, "orders", server, space=space, password="swordfish")
    with caisson.IdAllocator.connect(binding=path) as ids:
        assert "swordfish" not in repr(ids) + repr(vars(ids)) + repr(ids.options)


def test_the_server_serves_what_its_binding_says_and_ends_in_order(server: Cluster, space: str, tmp_path: Path) -> None:
    write_binding(tmp_path, "ids", server, space=space, server_token="sesame")
    files = write_certificate(tmp_path, ["localhost"])
    process = subprocess.Popen(
        [*SERVER, "--tls", str(tmp_path)], env=rooted(tmp_path), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[-1])
        context = ssl.create_default_context(cafile=files.authority)
        connection = http.client.HTTPSConnection("localhost", port, timeout=30, context=context)
        connection.request("GET", "/next?count=100", headers={"Authorization": "Bearer sesame"})
        ids = json.loads(connection.getresponse().read())["ids"]
        assert len(set(ids)) == 100
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    with server.connect() as raw:
        query = "SELECT lease_until <= clock_timestamp() FROM caisson.id_workers WHERE space = %s"
        assert raw.execute(query, (space,)).fetchall() == [(True,)], "the lease did not end with the server"


@pytest.mark.parametrize(
    ("entries", "arguments", "says"),
    [
        ({}, ["--without-tls"], "has no entry 'server_token'"),
        ({"server_token": "sesame"}, [], "one of the arguments --tls --without-tls is required"),
        ({"server_token": "sesame"}, ["--tls", "/nowhere"], "no certificate can be read from /nowhere"),
    ],
)
def test_the_server_serves_nobody_by_oversight(
    server: Cluster, space: str, tmp_path: Path, entries: dict[str, str], arguments: list[str], says: str
) -> None:
    write_binding(tmp_path, "ids", server, space=space, **entries)
    command = [*SERVER, *arguments]
    ended = subprocess.run(command, env=rooted(tmp_path), capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0
    assert says in ended.stderr


def rooted(root: Path) -> dict[str, str]:
    return {**os.environ, "SERVICE_BINDING_ROOT": str(root), "PYTHONPATH": str(SDK)}
