"""What runs beside Patroni in a member's container, and never stays: its configuration, passwords, lock and old slots.

    member.py run         write configuration and password file, take the lock on the data volume, leave the lead that
                          a predecessor died with to its synchronous standby, become Patroni (patroni_member.py)
    member.py refresh     write the password file again from the Secret, whose mount follows a change by itself
    member.py drop-slots  on a standby: drop the logical slots of its own days as a primary

What Patroni itself knows stays in patroni.yml and its own PATRONI_* variables. The last two are Patroni's callbacks.
"""

import contextlib
import fcntl
import json
import os
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CREDENTIALS = Path("/etc/caisson/credentials")
TEMPLATE = Path(__file__).with_name("patroni.yml")
PATRONI = Path(__file__).with_name("patroni_member.py")
RUN = Path("/run/caisson")
VOLUME = Path("/var/lib/caisson")
POSTGRESQL_PORT, RESTAPI_PORT = 5432, 8008
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API_SECONDS = 3
FIRST_SECONDS = 60  # in which the first member of a new shard has become its leader, or something is wrong with it
LOCAL = "host=/run/postgresql user=postgres dbname=postgres connect_timeout=5"


def build_configuration(
    template: Mapping[str, Any], dcs: Mapping[str, Any], passwords: Mapping[str, str], pod_ip: str
) -> dict[str, Any]:
    """Patroni's whole configuration. `dcs` are the settings that follow from the resource; they win."""
    host = f"[{pod_ip}]" if ":" in pod_ip else pod_ip
    secrets = {
        "postgresql": {
            "connect_address": f"{host}:{POSTGRESQL_PORT}",
            "authentication": {role: build_login(role, passwords) for role in ("superuser", "replication", "rewind")},
        },
        "restapi": {
            "connect_address": f"{host}:{RESTAPI_PORT}",
            "authentication": {"username": "caisson", "password": passwords["restapi"]},
        },
    }
    return merge(merge(template, {"bootstrap": {"dcs": dcs}}), secrets)


def build_login(role: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Which of two roles it is the Secret says, once they have taken turns; until then the template does."""
    username = passwords.get(f"{role}_user")
    return {"password": passwords[role], **({"username": username} if username else {})}


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` upon `base`, mapping by mapping; anything else is replaced as a whole."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def read_passwords(folder: Path) -> dict[str, str]:
    """Every key of the mounted Secret; the mount's own bookkeeping begins with two dots."""
    return {file.name: file.read_text() for file in folder.iterdir() if not file.name.startswith("..")}


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step by a file that only its owner reads: libpq refuses any other passfile."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def hold_volume(volume: Path) -> int:
    """Wait until no other container of this member lives on the volume, and keep the others out.

    A pod that was deleted by force may be followed by its successor while it still runs. PostgreSQL's own lock file
    tells by process and shared memory ids, which are worth nothing across containers. The lock goes with the last
    process that holds the descriptor: Patroni inherits it.
    """
    descriptor = os.open(volume / "member.lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def tighten_data_directory(directory: Path) -> None:
    """A volume that was handed to a group anew is open to it, and PostgreSQL then refuses to start."""
    if directory.is_dir():
        directory.chmod(0o700)


def refresh() -> None:
    write_private(RUN / "passfile", read_passwords(CREDENTIALS)["passfile"])


def drop_slots(conninfo: str) -> list[str]:
    """Drop what a former primary still holds of its subscribers' slots, and say their names; on a primary, nothing.

    Logical slots do not follow a failover, so the new primary has none and its subscribers copy again. Here the old
    ones would hold WAL back for nobody and, were this member to lead again, come back at a position long passed.
    Patroni leaves them alone (`ignore_slots`).
    """
    import psycopg  # not for `run` and `refresh`: it takes half of what they take

    with psycopg.connect(conninfo, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT slot_name, pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            "WHERE slot_type = 'logical' AND plugin = 'pgoutput' AND NOT active AND pg_is_in_recovery()"
        ).fetchall()
    return [name for name, _ in rows]


@dataclass(frozen=True, slots=True)
class Api:
    """The little of the API server that is needed before Patroni runs: the Endpoints that hold Patroni's state."""

    base: str
    token: str
    tls: ssl.SSLContext | None

    @classmethod
    def in_cluster(cls, environment: Mapping[str, str]) -> "Api":
        host, port = environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"]
        address = f"[{host}]" if ":" in host else host
        base = f"https://{address}:{port}/api/v1/namespaces/{environment['PATRONI_KUBERNETES_NAMESPACE']}/endpoints"
        return cls(base, (ACCOUNT / "token").read_text(), ssl.create_default_context(cafile=ACCOUNT / "ca.crt"))

    def call(self, name: str, patch: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The metadata of the object, read or patched. Raises OSError."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/merge-patch+json"}
        body = None if patch is None else json.dumps(patch).encode()
        method = "GET" if patch is None else "PATCH"
        request = urllib.request.Request(f"{self.base}/{name}", body, headers, method=method)
        with urllib.request.urlopen(request, timeout=API_SECONDS, context=self.tls) as answer:
            metadata: dict[str, Any] = json.load(answer)["metadata"]
        return metadata


def leave_lead(api: Api, scope: str, name: str) -> bool:
    """Give up the leader's lock that this member's predecessor died with, if a synchronous standby can take it.

    A pod that is killed is followed within seconds by one of the same name, which Patroni would take for the leader
    that it has been all along: it would start and recover in place while a standby that has every acknowledged commit
    stands by. Without such a standby nothing is given up, since another might lack commits that are here.
    To be called once the volume is held: then the predecessor is gone.
    """
    lock = api.call(scope)
    sync = api.call(f"{scope}-sync").get("annotations") or {}
    has_lock = (lock.get("annotations") or {}).get("leader") == name
    if not (has_lock and sync.get("leader") == name and sync.get("sync_standby")):
        return False
    version = lock["resourceVersion"]  # Whoever has changed the lock since knows better: refused with 409.
    api.call(scope, {"metadata": {"resourceVersion": version, "annotations": {"leader": None}}})
    return True


def await_leader(api: Api, scope: str, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait until somebody leads, and say whether somebody does: anybody may make the shard after FIRST_SECONDS."""
    for _ in range(FIRST_SECONDS):
        with contextlib.suppress(OSError):
            if (api.call(scope).get("annotations") or {}).get("leader"):
                return True
        sleep(1)
    return False


def await_turn(environment: Mapping[str, str], data_directory: Path) -> None:
    """Members of a new shard start one after the other: a Python that starts takes the processor from members that work.

    The first makes the shard; the others have nothing to do before, and what is on a volume already is never kept waiting.
    """
    is_first = environment["PATRONI_NAME"] == f"{environment['PATRONI_SCOPE']}-0"
    if not is_first and not (data_directory / "PG_VERSION").exists():
        await_leader(Api.in_cluster(environment), environment["PATRONI_SCOPE"])


def leave_lead_if_possible(environment: Mapping[str, str]) -> None:
    """Patroni starts in any case: it decides rightly without this, only later."""
    try:
        if leave_lead(Api.in_cluster(environment), environment["PATRONI_SCOPE"], environment["PATRONI_NAME"]):
            print("left the lead of an earlier container to the synchronous standby", flush=True)
    except OSError as error:
        print("could not look at the leader's lock:", error, flush=True)


def run(environment: Mapping[str, str]) -> None:
    refresh()
    template = yaml.safe_load(TEMPLATE.read_text())
    dcs = json.loads(environment["CAISSON_DCS"])
    pod_ip = environment["PATRONI_KUBERNETES_POD_IP"]
    configuration = build_configuration(template, dcs, read_passwords(CREDENTIALS), pod_ip)
    write_private(RUN / "patroni.yml", yaml.safe_dump(configuration))
    hold_volume(VOLUME)
    data_directory = Path(configuration["postgresql"]["data_dir"])
    tighten_data_directory(data_directory)
    await_turn(environment, data_directory)
    leave_lead_if_possible(environment)
    os.execvp("python", ["python", str(PATRONI), str(RUN / "patroni.yml")])


if __name__ == "__main__":
    match sys.argv[1:2]:
        case ["run"]:
            run(os.environ)
        case ["refresh"]:
            refresh()
        case ["drop-slots"]:
            for name in drop_slots(LOCAL):
                print("dropped the slot of an earlier primary:", name)
        case _:
            sys.exit("usage: member.py run | refresh | drop-slots")
