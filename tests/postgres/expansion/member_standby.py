"""A standby in the hands of Patroni's own code, and a primary that lets members in by the operator's own effects."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import yaml

from caisson_operator.core.layout import MEMBER_ROLES, REPLICATION_ROLES, REWIND_ROLE
from caisson_operator.effects.postgres.catalog import read_catalog
from caisson_operator.effects.postgres.member_roles import let_members_in, retire_member_roles
from caisson_operator.effects.postgres.sessions import Connection
from fakes.mounts import mount
from postgres.clusters import BINARIES, SUPERUSER, Cluster

ROOT = Path(__file__).parents[3]
MEMBER = "s0-1"
SECONDS = 30
HBA = f"""
host replication {",".join(REPLICATION_ROLES)} all scram-sha-256
host all {",".join(MEMBER_ROLES)} all scram-sha-256
host all,replication all all trust
"""


def act(cluster: Cluster, what: Callable[[Connection], Any]) -> Any:
    """As the operator, through a session of its own."""

    async def run() -> Any:
        async with await psycopg.AsyncConnection.connect(cluster.dsn(), autocommit=True) as connection:
            return await what(connection)

    return asyncio.run(run())


def let_in(cluster: Cluster, rotation: str, passwords: dict[str, str]) -> None:
    for _ in range(2):  # safe to repeat
        act(cluster, lambda connection: let_members_in(connection, rotation, passwords))


def retire(cluster: Cluster, roles: tuple[str, ...]) -> None:
    for _ in range(2):
        act(cluster, lambda connection: retire_member_roles(connection, roles))


def streams_as(cluster: Cluster) -> list[str]:
    """As the operator sees it."""
    found = act(cluster, lambda connection: read_catalog(connection, (), ()))
    return [user for *_, user in found.standbys]


def wait_for(what: Callable[[], bool], told: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)


def admit(cluster: Cluster) -> None:
    """With passwords only, from when this returns."""
    (cluster.data / "pg_hba.conf").write_text(HBA)
    with cluster.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    wait_for(lambda: not can_log_in(cluster, REWIND_ROLE, ""))


def can_log_in(cluster: Cluster, role: str, password: str) -> bool:
    try:
        psycopg.connect(cluster.dsn(user=role, password=password)).close()
    except psycopg.OperationalError:
        return False
    return True


def break_streams(cluster: Cluster) -> None:
    with cluster.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_replication")


def run_as_owner(*command: str | Path, password: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*become(), *map(str, command)], capture_output=True, text=True, cwd="/", env={**os.environ, "PGPASSWORD": password}
    )  # fmt: skip


def become() -> list[str]:
    return ["setpriv", "--reuid", SUPERUSER, "--regid", SUPERUSER, "--clear-groups"] if os.geteuid() == 0 else []


@contextmanager
def folder_of_owner() -> Iterator[Path]:
    with TemporaryDirectory(prefix="caisson-member-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, SUPERUSER, SUPERUSER)
        yield Path(name)


@dataclass(frozen=True)
class Standby:
    primary: Cluster
    cluster: Cluster
    folder: Path
    log: Path

    def mount(self, keys: dict[str, str]) -> None:
        mount(self.folder / "mount", keys)

    @property
    def told(self) -> str:
        return self.log.read_text()

    def wait_until_it_streams_as(self, role: str) -> None:
        wait_for(lambda: streams_as(self.primary) == [role], lambda: f"{self.told[-2000:]}{self.cluster.log[-3000:]}")


@contextmanager
def patroni(standby: Standby) -> Iterator[None]:
    primary = f"postgres://127.0.0.1:{standby.primary.port}/postgres"
    arguments = (standby.folder / "patroni.yml", standby.folder / "mount", standby.folder / "passfile", primary)
    arguments[0].write_text(yaml.safe_dump(configure(standby)))
    program = Path(__file__).with_name("patroni_standby.py")
    path = f"{ROOT}/workloads/postgres:{ROOT}/tests"
    with standby.log.open("w") as log:
        running = subprocess.Popen(
            [*become(), sys.executable, str(program), *map(str, arguments)],
            stdout=log, stderr=log, cwd="/", env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    try:
        yield
        assert running.poll() is None, standby.told
    finally:
        running.terminate()
        running.wait(20)


def configure(standby: Standby) -> dict[str, Any]:
    address = f"127.0.0.1:{standby.cluster.port}"
    return {
        "name": MEMBER,
        "scope": "s0",
        "listen": address,
        "connect_address": address,
        "data_dir": str(standby.cluster.data),
        "bin_dir": str(BINARIES),
        "pgpass": str(standby.folder / "pgpass"),
        "retry_timeout": 3,
        "parameters": {"wal_level": "logical"},
        "authentication": {
            "superuser": {"username": SUPERUSER},
            "replication": {"username": "caisson_replication", "password": "one"},
            "rewind": {"username": "caisson_rewind", "password": "one"},
        },
    }
