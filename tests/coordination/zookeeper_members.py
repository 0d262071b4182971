"""Members as their pods run them, by the files and the command of zookeeper_member: only their paths, ports and addresses are
those of a test. They are joined into an ensemble as the operator does it.
"""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from caisson_operator.core.certificates import ServerAccess
from caisson_operator.effects.zookeeper import ServerView, ZooKeeperUnreachable, add_member, read_server
from coordination.zookeeper import STARTING_SECONDS, wait_for
from coordination.zookeeper_tls import HOST, Identity
from ports import free_port
from zookeeper_member.configuration import build_command, build_jaas, build_static
from zookeeper_member.member import AUTHORITY, CLIENT_PORT, DATA, JAAS, KEY_STORE, LOG, Member

PASSWORDS = {"caisson": "app", "caisson-admin": "admin"}


@dataclass(frozen=True, slots=True)
class RunningMember:
    number: int
    home: Path
    identity: Identity
    ports: Sequence[int]
    """Peer, election, of the pod's own, and the clients'."""
    passwords: dict[str, str]

    @property
    def host(self) -> str:
        return f"{HOST}:{self.ports[3]}"

    @property
    def access(self) -> ServerAccess:
        return ServerAccess(HOST, self.identity.authority.read_text(), self.passwords["caisson-admin"])

    @property
    def log(self) -> str:
        return (self.home / "log.txt").read_text(errors="replace")

    def describe(self, role: str) -> str:
        peer, election, local, _ = self.ports
        return f"server.{self.number}=127.0.0.1:{peer}:{election}:{role};127.0.0.1:{local}"

    def read(self) -> ServerView | None:
        """As the operator does; None while it does not answer."""
        try:
            return asyncio.run(read_server("127.0.0.1", self.ports[3], self.access))
        except ZooKeeperUnreachable:
            return None

    def is_serving(self) -> bool:
        view = self.read()
        return view is not None and view.mode in ("leader", "follower", "observer")

    def start(self, lines: Iterable[str]) -> subprocess.Popen[bytes]:
        places = {KEY_STORE: self.identity.key_store, AUTHORITY: self.identity.authority}
        places |= {JAAS: self.home / "jaas.conf", DATA: self.home / "data", LOG: self.home / "log"}
        (self.home / "data").mkdir(exist_ok=True)
        (self.home / "data/myid").write_text(str(self.number))
        (self.home / "jaas.conf").write_text(build_jaas(Member("m", "m-0", "x", 1, False, self.passwords)))
        if not (self.home / "zoo.cfg").exists():
            known = list(lines)
            (self.home / "members.cfg").write_text("\n".join(known) + "\n")
            if len(known) == 1:
                (self.home / "log").mkdir()
                (self.home / "log/initialize").touch()  # as zookeeper_member does for who forms the ensemble
            static = _replace(build_static(str(self.home / "members.cfg")), places)
            static = static.replace(f"secureClientPort={CLIENT_PORT}", f"secureClientPort={self.ports[3]}")
            (self.home / "zoo.cfg").write_text(static)
        command = [*(_replace(word, places) for word in build_command(96)), str(self.home / "zoo.cfg")]
        with (self.home / "log.txt").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.home)


def _replace(text: str, places: dict[Path, Path]) -> str:
    for before, after in places.items():
        text = text.replace(str(before), str(after))
    return text


@contextmanager
def homes(identities: Sequence[Identity]) -> Iterator[list[RunningMember]]:
    """One member for each, none of them running yet."""
    with ExitStack() as stack:
        folders = [Path(tempfile.mkdtemp(prefix="caisson-test-member-")) for _ in identities]
        for folder in folders:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        ports = [free_port() for _ in range(4 * len(identities))]
        yield [
            RunningMember(n + 1, folder, identity, ports[4 * n : 4 * n + 4], PASSWORDS)
            for n, (folder, identity) in enumerate(zip(folders, identities, strict=True))
        ]


@contextmanager
def running(member: RunningMember, lines: Iterable[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = member.start(lines)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until_serving(member: RunningMember) -> None:
    wait_for(member.is_serving, STARTING_SECONDS, lambda: member.log[-3000:])


def give_vote(ensemble: Sequence[RunningMember], newcomer: RunningMember) -> None:
    """By way of all that are there, as the operator does."""
    view = ensemble[0].read()
    assert view is not None
    hosts = ",".join(member.host for member in ensemble)
    asyncio.run(add_member(hosts, newcomer.access, newcomer.describe("participant"), view.version))
