"""What the operator is told by its environment, checked once at the start. The chart sets all of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from caisson_operator.core.images import Images
from caisson_operator.core.leadership import Timing

ALL_NAMESPACES = "*"


class SettingsError(Exception):
    """A variable is missing or makes no sense; the text names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The fields' variables are listed by `python -m caisson_operator --help`."""

    namespace: str
    identity: str
    watch_namespaces: tuple[str, ...]
    is_cluster_wide: bool
    lease_name: str
    timing: Timing
    images: Images
    reads_nodes: bool
    http_port: int
    log_level: str


ENVIRONMENT = {
    "CAISSON_NAMESPACE": "namespace that the operator runs in: its Lease is there (required)",
    "CAISSON_POD_NAME": "name of this replica, which the Lease shows as its holder (required)",
    "CAISSON_POSTGRES_IMAGE": "image of the PostgreSQL members (required)",
    "CAISSON_REDIS_IMAGE": "image of the Redis members (required)",
    "CAISSON_ZOOKEEPER_IMAGE": "image of the ZooKeeper members (required)",
    "CAISSON_IDS_IMAGE": "image of the servers of ids (required)",
    "CAISSON_WATCH_NAMESPACES": "namespaces to watch, with commas between; * for all (default: its own)",
    "CAISSON_READS_NODES": "true: nodes and their volumes may be read, so drains are noticed (default: false)",
    "CAISSON_LEASE_NAME": "name of the Lease (default: caisson-operator)",
    "CAISSON_LEASE_SECONDS": "DURATION,RENEW_DEADLINE,RETRY of the Lease in seconds (default: 6,4,1)",
    "CAISSON_HTTP_PORT": "port of /healthz, /readyz and /metrics (default: 8080)",
    "CAISSON_LOG_LEVEL": "debug, info, warning or error (default: info)",
}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError."""
    namespace = _required(environment, "CAISSON_NAMESPACE")
    watched = environment.get("CAISSON_WATCH_NAMESPACES", "").strip() or namespace
    return Settings(
        namespace=namespace,
        identity=_required(environment, "CAISSON_POD_NAME"),
        watch_namespaces=() if watched == ALL_NAMESPACES else _split(watched),
        is_cluster_wide=watched == ALL_NAMESPACES,
        reads_nodes=environment.get("CAISSON_READS_NODES", "") == "true",
        lease_name=environment.get("CAISSON_LEASE_NAME") or "caisson-operator",
        timing=_read_timing(environment.get("CAISSON_LEASE_SECONDS") or "6,4,1"),
        images=Images(
            postgres=_required(environment, "CAISSON_POSTGRES_IMAGE"),
            redis=_required(environment, "CAISSON_REDIS_IMAGE"),
            zookeeper=_required(environment, "CAISSON_ZOOKEEPER_IMAGE"),
            ids=_required(environment, "CAISSON_IDS_IMAGE"),
        ),
        http_port=_read_port(environment.get("CAISSON_HTTP_PORT") or "8080"),
        log_level=environment.get("CAISSON_LOG_LEVEL") or "info",
    )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set: {ENVIRONMENT[name]}")
    return value


def _split(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _read_timing(text: str) -> Timing:
    try:
        duration, deadline, retry = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"CAISSON_LEASE_SECONDS is {text!r}, not three numbers such as 6,4,1") from error
    if not 0 < retry < deadline < duration:
        raise SettingsError(f"CAISSON_LEASE_SECONDS is {text!r}: RETRY < RENEW_DEADLINE < DURATION must hold")
    return Timing(duration, deadline, retry, request=deadline / 2)


def _read_port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise SettingsError(f"CAISSON_HTTP_PORT is {text!r}, not a port")
    return int(text)
