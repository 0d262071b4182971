"""Throw-away ZooKeeper ensembles on loopback, from Debian's jars, for tests that want the real thing and no Kubernetes.

Ticks are short, so that a session of half a second can be asked for, and nothing is forced to the disk unless a measurement
wants it. A server that was killed comes back with its data; a wiped one with none.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from coordination.zookeeper_tls import HOST, Identity
from ports import free_port
from zookeeper_member.configuration import CLASSPATH, build_tls

T = TypeVar("T")

JVM = ("-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")
STARTING_SECONDS = 60.0
SASL = {
    "authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
    "sessionRequireClientSASLAuth": "true",
}


@dataclass(slots=True)
class Server:
    """One member, running or not. `settings` are lines of zoo.cfg."""

    number: int
    home: Path
    port: int
    settings: dict[str, str]
    users: dict[str, str] = field(default_factory=dict)
    tls: Identity | None = None
    """Then clients come to `secure_port`, and the other one is for four-letter words."""
    secure_port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"{HOST}:{self.secure_port}" if self.tls else f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, f"server {self.number} was never started"
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    def start(self) -> None:
        """Returns at once: in an ensemble no server serves before most of them run."""
        (self.home / "data").mkdir(exist_ok=True)
        (self.home / "data/myid").write_text(str(self.number))
        lines = {**self.settings, "dataDir": str(self.home / "data"), "clientPort": str(self.port)}
        secure = build_tls(self.secure_port, self.tls.key_store, self.tls.authority) if self.tls else []
        texts = [*(f"{key}={value}" for key, value in lines.items()), *secure]
        (self.home / "zoo.cfg").write_text("".join(f"{text}\n" for text in texts))
        main = ["org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self.home / "zoo.cfg")]
        jvm = [*JVM, *self._write_users()]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["java", *jvm, "-cp", CLASSPATH, *main], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.home
            )

    def _write_users(self) -> list[str]:
        """Where there are any, nobody else is let in (SASL DIGEST-MD5)."""
        if not self.users:
            return []
        entries = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        login = f"Server {{ org.apache.zookeeper.server.auth.DigestLoginModule required {entries}; }};"
        (self.home / "jaas.conf").write_text(login)
        return [f"-Djava.security.auth.login.config={self.home / 'jaas.conf'}"]

    def kill(self) -> None:
        """The machine is gone; what it had on its disk stays."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def wipe(self) -> None:
        """Its disk too. The server must have been killed."""
        shutil.rmtree(self.home / "data", ignore_errors=True)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The process hangs for as long as this lasts; its kernel still accepts connections."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def ask(self, word: str) -> str:
        """A four-letter word's answer; empty where nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(word.encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
        except OSError:
            return ""

    @property
    def role(self) -> str:
        """`leader`, `follower`, `standalone`, or empty while it serves nobody."""
        found = [line for line in self.ask("srvr").splitlines() if line.startswith("Mode:")]
        return found[0].removeprefix("Mode:").strip() if found else ""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """One member (standalone) or several."""

    servers: Sequence[Server] = field(default_factory=list)

    @property
    def hosts(self) -> str:
        """A connection string with every member."""
        return ",".join(server.host for server in self.servers)

    @property
    def authority(self) -> Path | None:
        """By which clients verify the servers; None where there is no TLS."""
        tls = self.servers[0].tls
        return tls.authority if tls else None

    @property
    def target(self) -> str:
        """In one word, for coordination.opening."""
        return f"{self.hosts}#{self.authority}" if self.authority else self.hosts

    @property
    def leader(self) -> Server:
        """Waits for an election that is under way."""
        return wait_for(self._find_leader, STARTING_SECONDS, self._explain)

    def start(self) -> None:
        """All of them, until they serve."""
        for server in self.servers:
            server.start()
        self.wait_until_serving()

    def wait_until_serving(self) -> None:
        """Until a leader is there and every server that runs follows it."""
        running = [server for server in self.servers if server._process is not None and server._process.poll() is None]
        wait_for(
            lambda: self._find_leader() and all(server.role for server in running), STARTING_SECONDS, self._explain
        )

    def destroy(self) -> None:
        for server in self.servers:
            server.kill()
            shutil.rmtree(server.home, ignore_errors=True)

    def _find_leader(self) -> Server | None:
        return next((server for server in self.servers if server.role in ("leader", "standalone")), None)

    def _explain(self) -> str:
        return "\n".join(f"server {server.number}: {server.log[-2000:]}" for server in self.servers)


@contextmanager
def running_ensemble(
    members: int = 1,
    tick_milliseconds: int = 100,
    settings: dict[str, str] | None = None,
    fsync: bool = False,
    users: dict[str, str] | None = None,
    tls: Identity | None = None,
) -> Iterator[Ensemble]:
    """Fresh servers, serving; destroyed at the end. Sessions last from 2 to 200 ticks."""
    ports = [free_port() for _ in range(4 * members)]
    peers = {
        f"server.{number + 1}": f"127.0.0.1:{ports[4 * number]}:{ports[4 * number + 1]}" for number in range(members)
    }
    common = {
        "tickTime": str(tick_milliseconds),
        "initLimit": str(max(50, 10_000 // tick_milliseconds)),
        "syncLimit": "20",
        "maxSessionTimeout": str(200 * tick_milliseconds),
        "maxClientCnxns": "0",
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "*",
        "forceSync": "yes" if fsync else "no",
        "snapCount": "100000",
        "preAllocSize": "1024",
        **(peers if members > 1 else {}),
        **(SASL if users else {}),
        **(settings or {}),
    }
    ensemble = Ensemble(
        [
            Server(
                number + 1,
                Path(tempfile.mkdtemp(prefix="caisson-test-zookeeper-")),
                ports[4 * number + 2],
                common,
                users or {},
                tls,
                ports[4 * number + 3],
            )
            for number in range(members)
        ]
    )
    with ExitStack() as stack:
        stack.callback(ensemble.destroy)
        ensemble.start()
        yield ensemble


def wait_for(condition: Callable[[], T | None], seconds: float, explain: Callable[[], str]) -> T:
    """The condition's first true value. Raises with what `explain` has to say once the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s\n{explain()}")
        time.sleep(0.05)
    return found
