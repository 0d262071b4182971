"""Throw-away PostgreSQL 15 clusters on loopback, for tests that want the real engine and no Kubernetes.

`initdb` runs once per machine: its result, with the database `app` and the roles of docs/reference/shard-schema.md, is
kept as a template and copied. What stands inside the schema `caisson` is not made here: tests apply what they test.
All copies share the template's system identifier.
"""

import fcntl
import getpass
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from ports import free_port

BINARIES = Path(os.environ.get("CAISSON_TEST_PG_BIN", "/usr/lib/postgresql/15/bin"))
DATABASE = "app"
SUPERUSER = "postgres"

SETTINGS: Mapping[str, str | int] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": 40,
    "max_wal_senders": 40,
    "max_logical_replication_workers": 40,
    "max_worker_processes": 60,
    "max_sync_workers_per_subscription": 2,
    "wal_retrieve_retry_interval": "100ms",
    "shared_buffers": "64MB",
    "max_connections": 200,
    "max_prepared_transactions": 10,
    "max_wal_size": "512MB",
    "logging_collector": "off",
}

ROLES = """
CREATE ROLE caisson_owner LOGIN;
CREATE ROLE caisson_app LOGIN;
CREATE ROLE caisson_replication LOGIN REPLICATION;
CREATE ROLE caisson_rewind LOGIN;
"""


@dataclass(slots=True)
class Cluster:
    """One running (or stopped, or killed) PostgreSQL. Trust authentication: any role connects without a password."""

    data: Path
    port: int
    settings: dict[str, str | int] = field(default_factory=dict)

    def dsn(self, dbname: str = DATABASE, user: str = SUPERUSER, **kw: str | int) -> str:
        every = {"host": "127.0.0.1", "port": self.port, "dbname": dbname, "user": user, **kw}
        return make_conninfo(**{name: str(value) for name, value in every.items()})

    def connect(self, user: str = SUPERUSER, dbname: str = DATABASE) -> psycopg.Connection:
        return psycopg.connect(self.dsn(dbname, user), autocommit=True)

    def connect_at(self, host: str) -> psycopg.Connection:
        """Connect where `listen_addresses` was set to another loopback address."""
        return psycopg.connect(self.dsn(host=host), autocommit=True)

    @property
    def postmaster_pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    @property
    def processes(self) -> list[int]:
        return [self.postmaster_pid, *_children(self.postmaster_pid)]

    @property
    def log(self) -> str:
        return (self.data / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Start and wait until it accepts connections (crash recovery included)."""
        _pg_ctl(self.data, "start", "-l", str(self.data / "server.log"), "-t", "60")

    def stop(self, mode: str = "fast") -> None:
        _pg_ctl(self.data, "stop", "-m", mode)

    def restart_immediate(self) -> None:
        """The crash that a test can wait for: no checkpoint, recovery at the start."""
        self.stop("immediate")
        self.start()

    def kill9(self) -> None:
        """The machine is gone: every process of the cluster is killed at once, and gone when this returns."""
        family = self.processes
        for pid in family:
            _kill(pid)
        _wait_until_gone(family)
        # Where nobody reaps orphans the dead postmaster stays a zombie, which a new one would take for alive.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists() and Path(f"/proc/{self.postmaster_pid}").exists()

    def destroy(self) -> None:
        if self.is_running():
            self.stop("immediate")
        shutil.rmtree(self.data)


@contextmanager
def running_clusters(n: int, settings: Mapping[str, str | int] | None = None) -> Iterator[list[Cluster]]:
    """`n` fresh clusters with database `app` and the roles; destroyed at the end."""
    with ExitStack() as stack:
        clusters = []
        for _ in range(n):
            cluster = _copy_template(dict(settings or {}))
            stack.callback(cluster.destroy)
            cluster.start()
            clusters.append(cluster)
        yield clusters


@contextmanager
def running_standby(primary: Cluster, name: str = "standby") -> Iterator[Cluster]:
    """A streaming standby of `primary` (pg_basebackup), with `application_name` = name."""
    data = _new_directory()
    target = primary.dsn("replication", application_name=name)
    _as_postgres(["pg_basebackup", "-d", target, "-D", str(data), "-R", "-X", "stream", "-c", "fast"])
    standby = Cluster(data, free_port(), dict(primary.settings))
    _configure(standby)
    try:
        standby.start()
        yield standby
    finally:
        standby.destroy()


def _copy_template(settings: dict[str, str | int]) -> Cluster:
    data = _new_directory()
    subprocess.run(["cp", "-a", "--reflink=auto", f"{_template()}/.", str(data)], check=True)
    cluster = Cluster(data, free_port(), settings)
    _configure(cluster)
    return cluster


def _configure(cluster: Cluster) -> None:
    wanted = {**SETTINGS, **cluster.settings, "port": cluster.port}
    (cluster.data / "postgresql.auto.conf").open("a").write("".join(f"{k} = '{v}'\n" for k, v in wanted.items()))


def _template() -> Path:
    """The cached result of initdb, made by whoever comes first; its name changes when its content would."""
    recipe = hashlib.sha256(f"{_version()}{ROLES}{sorted(SETTINGS.items())}".encode()).hexdigest()[:12]
    home = Path(tempfile.gettempdir()) / f"caisson-test-postgres-{getpass.getuser()}"
    home.mkdir(exist_ok=True)
    final = home / f"template-{recipe}"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not final.exists():
            _build_template().rename(final)
    return final


def _build_template() -> Path:
    data = _new_directory()
    _as_postgres(["initdb", "-D", str(data), "-U", SUPERUSER, "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8"])
    cluster = Cluster(data, free_port())
    with (data / "pg_hba.conf").open("a") as hba:
        hba.write("host all,replication all 127.0.0.1/32 trust\n")
    _configure(cluster)
    cluster.start()
    with cluster.connect(dbname="postgres") as conn:
        conn.execute(ROLES)
        conn.execute("CREATE DATABASE app")
    cluster.stop("fast")
    (data / "server.log").unlink()
    return data


def _new_directory() -> Path:
    home = Path(tempfile.gettempdir()) / f"caisson-test-postgres-{getpass.getuser()}"
    home.mkdir(exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="data-", dir=home))
    if os.geteuid() == 0:
        shutil.chown(data, SUPERUSER, SUPERUSER)
    data.chmod(0o700)
    return data


def _version() -> str:
    return subprocess.run([BINARIES / "postgres", "--version"], check=True, capture_output=True, text=True).stdout


def _pg_ctl(data: Path, *arguments: str) -> None:
    _as_postgres(["pg_ctl", "-D", str(data), "-w", "-s", *arguments])


def _as_postgres(command: Sequence[str]) -> None:
    """PostgreSQL refuses to run as root, which is who tests often are in a container."""
    become = ["setpriv", "--reuid", SUPERUSER, "--regid", SUPERUSER, "--clear-groups"] if os.geteuid() == 0 else []
    full = [*become, str(BINARIES / command[0]), *command[1:]]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(
        full,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env=environment,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()}")


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _wait_until_gone(pids: Sequence[int], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while any(_is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {pids} did not end")
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
