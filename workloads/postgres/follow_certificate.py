"""Has a renewed certificate taken up without a restart: a thread of Patroni's process (patroni_member.py).

The mount of a Secret follows a change by itself, within a minute or so; PostgreSQL and Patroni's REST API go on with what
they have read. So both are asked what they show, and while one of them shows something else than what is mounted, Patroni is
told to read everything anew (SIGHUP), which it hands on to PostgreSQL. Who does not answer is left alone: it will read what
is mounted when it starts. Once both show it, nothing is asked until the file changes again.
"""

import contextlib
import os
import signal
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

CERTIFICATE = Path("/etc/caisson/certificate/tls.crt")
POSTGRESQL, RESTAPI = ("127.0.0.1", 5432), ("127.0.0.1", 8008)
ROUND_SECONDS = 5.0
ANSWER_SECONDS = 3.0
# Length 8, then the code that asks whether the server speaks TLS: S says that it does.
SSL_REQUEST = struct.pack("!ii", 8, 80877103)

Look = Callable[[], bytes | None]
"""What a server shows, in DER; None if it shows nothing."""


def look_at_restapi(address: tuple[str, int] = RESTAPI) -> bytes | None:
    with contextlib.suppress(OSError), socket.create_connection(address, ANSWER_SECONDS) as plain:
        return shown(plain)
    return None


def look_at_postgresql(address: tuple[str, int] = POSTGRESQL) -> bytes | None:
    with contextlib.suppress(OSError), socket.create_connection(address, ANSWER_SECONDS) as plain:
        plain.sendall(SSL_REQUEST)
        return shown(plain) if plain.recv(1) == b"S" else None
    return None


def shown(plain: socket.socket) -> bytes | None:
    """Nothing is sent but the handshake, so it need not be trusted. Raises OSError, of which an SSLError is one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(plain) as tls:
        return tls.getpeercert(binary_form=True)


def read_mounted(file: Path) -> bytes:
    """In DER. Raises OSError, ValueError."""
    return ssl.PEM_cert_to_DER_cert(file.read_text().strip())


class Follower:
    """`reload` is called where what is shown is not what is mounted."""

    def __init__(self, file: Path, looks: Iterable[Look], reload: Callable[[], None]) -> None:
        self._file, self._looks, self._reload = file, tuple(looks), reload
        self._settled: bytes | None = None

    def round(self) -> None:
        try:
            mounted = read_mounted(self._file)
        except (OSError, ValueError):
            return
        if mounted == self._settled:
            return
        found = [look() for look in self._looks]
        if any(each not in (mounted, None) for each in found):
            self._reload()
        elif all(each == mounted for each in found):
            self._settled = mounted


def follow() -> None:
    """For as long as this process is there, which Patroni's main thread ends."""
    # Until Patroni listens to it, its wake-up call must not end it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=follow_forever, name="follow-certificate", daemon=True).start()


def follow_forever() -> None:
    follower = Follower(CERTIFICATE, (look_at_postgresql, look_at_restapi), reload)
    while True:
        follower.round()
        time.sleep(ROUND_SECONDS)


def reload() -> None:
    print("a renewed certificate is mounted: reloading", flush=True)
    os.kill(os.getpid(), signal.SIGHUP)
