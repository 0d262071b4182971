"""Has a renewed certificate taken up: a thread of the agent's process (epoch_agent/__main__.py).

The mount of a Secret follows a change by itself, within a minute or so; a server goes on with what it has read. So both servers
of the pod are asked what they show, and told to take up what is mounted where that is another. Who does not answer is left
alone: it will read what is mounted when it starts. A server that shows it is not asked again until the file changes.

Redis reads its files anew (CONFIG SET) and keeps its connections. A Sentinel of 7.0 has no such command: it is ended in order, and
Kubernetes starts it again. Each has a time of its own for that, so that those of a cluster are never away together.
"""

import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .member import AUTHORITY, CERTIFICATE, PRIVATE_KEY, REDIS_PORT, SENTINEL_PORT, SENTINEL_SOCKET, SOCKET, Member
from .resp import Connection, RedisError

ROUND_SECONDS = 5.0
ANSWER_SECONDS = 3.0
# A Sentinel is back within seconds; clocks of nodes differ by less than what is left of its turn.
TURN_SECONDS = 20
MOST_MEMBERS = 7

Look = Callable[[], bytes | None]
"""What a server shows, in DER; None if it shows nothing."""


def look_at(port: int) -> bytes | None:
    """Nothing is sent but the handshake, so the server need not be trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as plain, context.wrap_socket(plain) as tls:
            return tls.getpeercert(binary_form=True)
    except OSError:  # an SSLError is one
        return None


def read_mounted(file: Path) -> bytes:
    """In DER. Raises OSError, ValueError."""
    return ssl.PEM_cert_to_DER_cert(file.read_text().strip())


@dataclass(slots=True)
class Follower:
    """`take_up` is called where what is shown is not what is mounted."""

    file: Path
    look: Look
    take_up: Callable[[], None]
    _settled: bytes | None = None

    def round(self) -> None:
        """Raises OSError, ValueError, RedisError: the next round tries again."""
        mounted = read_mounted(self.file)
        if mounted == self._settled:
            return
        found = self.look()
        if found == mounted:
            self._settled = mounted
        elif found is not None:
            self.take_up()


def reload_redis(address: str, password: str, folder: Path) -> None:
    """All three at once, so that a key is never tried with a certificate that is not its own. Raises OSError, RedisError."""
    files = (("cert", CERTIFICATE), ("key", PRIVATE_KEY), ("ca-cert", AUTHORITY))
    words = [word for name, file in files for word in (f"tls-{name}-file", str(folder / file.name))]
    with Connection(address, password) as redis:
        redis.call("CONFIG", "SET", *words)


def end_sentinel(address: str, password: str) -> None:
    """It has what it knows in its file at all times. Raises OSError, RedisError."""
    with Connection(address, password) as sentinel, contextlib.suppress(ConnectionError):  # it hangs up as it ends
        sentinel.call("SHUTDOWN")


def is_its_turn(name: str, seconds: float) -> bool:
    """Whether this member (CLUSTER-ORDINAL) may be without its Sentinel at this time of the clock."""
    return int(seconds) // TURN_SECONDS % MOST_MEMBERS == int(name.rsplit("-", 1)[1]) % MOST_MEMBERS


def build_followers(member: Member, clock: Callable[[], float]) -> list[Follower]:
    def reload() -> None:
        reload_redis(SOCKET, member.admin_password, CERTIFICATE.parent)
        _say("certificate_taken_up", server="redis")

    def end() -> None:
        if is_its_turn(member.name, clock()):
            _say("ended_for_a_renewed_certificate", server="sentinel")
            end_sentinel(SENTINEL_SOCKET, member.admin_password)

    redis = Follower(CERTIFICATE, lambda: look_at(REDIS_PORT), reload)
    sentinel = Follower(CERTIFICATE, lambda: look_at(SENTINEL_PORT), end)
    return [redis, sentinel] if member.is_replicated else [redis]


def follow(member: Member) -> None:
    """For as long as this process is there."""
    followers = build_followers(member, time.time)
    threading.Thread(target=_follow_forever, args=(followers,), name="follow-certificate", daemon=True).start()


def _follow_forever(followers: list[Follower]) -> None:
    while True:
        for follower in followers:
            try:
                follower.round()
            except (OSError, ValueError, RedisError) as error:
                _say("certificate_not_taken_up", error=error)
        time.sleep(ROUND_SECONDS)


def _say(event: str, **fields: object) -> None:
    print(event, *(f"{name}={value}" for name, value in fields.items()), file=sys.stderr, flush=True)
