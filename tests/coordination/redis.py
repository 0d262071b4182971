"""Throw-away Redis servers on loopback, for tests that want the real engine and no Kubernetes.

Each has a free port and a directory of its own, and ends with its `with`. The kernel's signals are its faults: `kill`
is the machine gone, `pause` a process that hangs and may come back.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from ports import free_port

SETTINGS: Mapping[str, str] = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "repl-diskless-sync-delay": "0",
    "repl-ping-replica-period": "1",
}
STARTUP_SECONDS = 60.0


def is_installed() -> bool:
    return shutil.which("redis-server") is not None


@dataclass(slots=True)
class Server:
    """One redis-server, running or not."""

    directory: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    authority: Path | None = None
    """Whom the server's certificate must be of; None for one that speaks plain text."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.directory / "server.log").read_text(errors="replace")

    @property
    def socket(self) -> str:
        return str(self.directory / "redis.sock")

    def connect(self) -> "redis.Redis":
        """A simple client, with answers as text."""
        return redis.Redis(
            port=self.port,
            password=self.settings.get("requirepass"),
            decode_responses=True,
            ssl=self.authority is not None,
            ssl_ca_certs=str(self.authority) if self.authority else None,
        )

    @property
    def replication_id(self) -> str:
        return str(self.connect().info("replication")["master_replid"])

    def start(self) -> None:
        """Start and wait until it answers (its append-only file is loaded then)."""
        config = {**SETTINGS, **self.settings, "port": str(self.port), "dir": str(self.directory)}
        config["unixsocket"] = self.socket
        path = self.directory / "redis.conf"
        if not path.exists():  # a Sentinel writes its state into its own
            path.write_text("".join(f"{name} {value or chr(34) * 2}\n" for name, value in config.items()))
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(["redis-server", str(path), *self.arguments], stdout=log, stderr=log)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End it in order, everything written."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """The machine is gone."""
        self._end(signal.SIGKILL)

    def wait(self) -> int:
        """Until it has ended by itself: its exit code."""
        process, self._process = self._process, None
        assert process is not None
        return process.wait(STARTUP_SECONDS)

    def pause(self) -> None:
        """It hangs: the kernel still accepts connections, nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Lose everything it wrote. It has to be stopped."""
        assert self._process is None
        for entry in self.directory.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.suffix in (".rdb", ".aof"):
                entry.unlink()

    def save_to(self, folder: Path) -> None:
        """A backup: everything it has now."""
        self.stop()
        shutil.copytree(self.directory, folder)
        self.start()

    def restore_from(self, folder: Path) -> None:
        """Put a backup in the place of what it has. It has to be stopped."""
        self.wipe()
        shutil.copytree(folder, self.directory, dirs_exist_ok=True)

    def promote(self) -> None:
        """Make a replica the primary: it has another replication id from now on."""
        self.connect().replicaof("NO", "ONE")

    def raise_epoch(self, epoch: int) -> None:
        """What the agent in a managed server's pod does after it has raised the number durably."""
        self.connect().hset("caisson:epoch", mapping={"epoch": epoch, "replid": self.replication_id})

    def destroy(self) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        process.wait(STARTUP_SECONDS)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + STARTUP_SECONDS
        while True:
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError(f"redis-server ended: {self.log}")
            try:
                self.connect().ping()
                return
            except redis.RedisError as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"redis-server did not answer: {self.log}") from error
                time.sleep(0.01)


@contextmanager
def running_redis(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A fresh server, with `settings` beside ours."""
    server = new_server(dict(settings or {}))
    try:
        server.start()
        yield server
    finally:
        server.destroy()


@contextmanager
def running_replica(primary: Server) -> Iterator[Server]:
    """A replica of `primary` that has caught up."""
    with running_redis({**primary.settings, "replicaof": f"127.0.0.1 {primary.port}"}) as replica:
        wait_until_linked(replica)
        yield replica


@contextmanager
def running_sentinel(primary: Server, name: str, quorum: int = 1, silence_ms: int = 1000) -> Iterator[Server]:
    """A Sentinel that watches `primary` under `name`."""
    sentinel = new_server({})
    rules = f"sentinel monitor {name} 127.0.0.1 {primary.port} {quorum}\n"
    rules += f"sentinel down-after-milliseconds {name} {silence_ms}\nsentinel failover-timeout {name} 5000\n"
    text = f"bind 127.0.0.1\nport {sentinel.port}\ndir {sentinel.directory}\n{rules}"
    (sentinel.directory / "redis.conf").write_text(text)
    sentinel.arguments = ("--sentinel",)
    try:
        sentinel.start()
        yield sentinel
    finally:
        sentinel.destroy()


def wait_until_linked(replica: Server, seconds: float = STARTUP_SECONDS) -> None:
    """Wait until a replica has everything that its primary has."""
    deadline = time.monotonic() + seconds
    while replica.connect().info("replication").get("master_link_status") != "up":
        if time.monotonic() > deadline:
            raise TimeoutError(f"the replica did not catch up: {replica.log}")
        time.sleep(0.01)


def new_server(settings: dict[str, str]) -> Server:
    return Server(Path(tempfile.mkdtemp(prefix="caisson-test-redis-")), free_port(), settings)
