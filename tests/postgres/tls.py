"""TLS at a local cluster: certificates made as the operator makes them, and a pg_hba.conf of one's own."""

import os
import shutil
import time
from dataclasses import dataclass

from caisson_operator.effects.certificates import KeyPair
from fakes.certificates import new_authority, write_certificate
from postgres.clusters import SUPERUSER, Cluster

AUTHORITY, ANOTHER = new_authority(), new_authority()
NAME = "localhost"
TLS_ALONE, ANY = "hostssl all,replication all all trust\n", "host all,replication all all trust\n"


@dataclass(frozen=True, slots=True)
class Server:
    """What a server shows to who connects, and whom it admits."""

    cluster: Cluster

    def show(self, *names: str, authority: KeyPair = AUTHORITY) -> None:
        """From now on, to who connects: a certificate for these names."""
        files = write_certificate(self.cluster.data, names, authority)
        files.key.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(files.key, SUPERUSER, SUPERUSER)
        self.set("ssl_cert_file", str(files.certificate))
        self.set("ssl_key_file", str(files.key))
        self.set("ssl", "on")

    def admit(self, lines: str) -> None:
        (self.cluster.data / "pg_hba.conf").write_text(lines)
        self.set("log_connections", "off" if self.has("log_connections", "on") else "on")  # read once a change is seen

    def set(self, name: str, value: str) -> None:
        with self.cluster.connect() as connection:
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            connection.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 20
        while not self.has(name, value):
            assert time.monotonic() < deadline, f"{name} never became {value}"
            time.sleep(0.01)

    def end_sessions(self) -> None:
        with self.cluster.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'caisson_app'"
            )

    def has(self, name: str, value: str) -> bool:
        with self.cluster.connect() as connection:
            return connection.execute(f"SHOW {name}").fetchone() == (value,)
