"""The configuration files of a member's Redis and of its Sentinel, as texts. Pure.

Everybody is called by host name: a pod keeps its name and gets another address each time that it is made.
"""

import hashlib
import re

from .member import (
    APPLICATION,
    AUTHORITY,
    CERTIFICATE,
    DATA,
    PRIVATE_KEY,
    REDIS_PORT,
    SENTINEL_FILE,
    SENTINEL_PORT,
    SENTINEL_SOCKET,
    SOCKET,
    Member,
)

DOWN_AFTER_MILLISECONDS = 3000
# After so long a failover that has come to nothing is given up, and after twice as long the next one is tried.
FAILOVER_TIMEOUT_MILLISECONDS = 6000
# A primary that has not heard from half of its fellows for so long takes no writes: the others may have another one.
MOST_LAG_SECONDS = 5

# No flushing, no configuration, no killing of others: what an application needs and no more.
_APPLICATION_RIGHTS = "~* &* +@all -@admin -@dangerous +info +role"
_ASKING_RIGHTS = (
    "&* -@all +auth +hello +ping +info +role +subscribe +psubscribe +unsubscribe +punsubscribe +client|setname "
    "+client|id +sentinel|get-master-addr-by-name +sentinel|master +sentinel|masters "
    "+sentinel|replicas +sentinel|slaves +sentinel|sentinels +sentinel|myid +sentinel|ckquorum"
)


def build_redis(member: Member, leader: str | None) -> str:
    """`leader` is the host that this one follows; None where it leads itself."""
    lines = [
        "bind * -::*",
        *_tls(REDIS_PORT),
        "protected-mode no",
        f"unixsocket {SOCKET}",
        "unixsocketperm 700",
        f"dir {DATA}",
        "daemonize no",
        "appendonly yes",
        f"appendfsync {member.fsync}",
        'save ""',
        "maxmemory-policy noeviction",
        "tcp-keepalive 15",
        f"requirepass {member.admin_password}",
        _user(member, _APPLICATION_RIGHTS),
    ]
    return "\n".join([*lines, *(_replication(member, leader) if member.is_replicated else ())]) + "\n"


def _replication(member: Member, leader: str | None) -> list[str]:
    lines = [
        f"masterauth {member.admin_password}",
        f"replica-announce-ip {member.host}",
        f"replica-announce-port {REDIS_PORT}",
        "repl-diskless-sync yes",
        "repl-diskless-sync-delay 0",
        "repl-ping-replica-period 1",
        "repl-timeout 15",
        "repl-backlog-size 16mb",
        # A primary that gives it up takes another replication id: one that is cut off must not look like a new one.
        "repl-backlog-ttl 0",
        f"min-replicas-to-write {member.members // 2}",
        f"min-replicas-max-lag {MOST_LAG_SECONDS}",
    ]
    return [*lines, f"replicaof {leader} {REDIS_PORT}"] if leader else lines


# What a Sentinel writes into its file, and must know again when it is started.
_LEARNED = re.compile(
    r"^sentinel (myid|current-epoch|config-epoch|leader-epoch|known-replica|known-slave|known-sentinel) .*",
    re.MULTILINE,
)


def build_sentinel(member: Member, leader: str, kept: str = "") -> str:
    """`kept` is the file as the Sentinel has left it: of that stays what it has learned, all else is as it is wanted now."""
    name = member.cluster
    lines = [
        "bind * -::*",
        *_tls(SENTINEL_PORT),
        "protected-mode no",
        f"unixsocket {SENTINEL_SOCKET}",
        "unixsocketperm 700",
        f"dir {SENTINEL_FILE.parent}",
        "sentinel resolve-hostnames yes",
        "sentinel announce-hostnames yes",
        f"sentinel announce-ip {member.host}",
        f"sentinel announce-port {SENTINEL_PORT}",
        f"requirepass {member.admin_password}",
        f"sentinel sentinel-pass {member.admin_password}",
        _user(member, _ASKING_RIGHTS),
        f"sentinel monitor {name} {leader} {REDIS_PORT} {member.quorum}",
        f"sentinel auth-pass {name} {member.admin_password}",
        f"sentinel down-after-milliseconds {name} {DOWN_AFTER_MILLISECONDS}",
        f"sentinel failover-timeout {name} {FAILOVER_TIMEOUT_MILLISECONDS}",
        f"sentinel parallel-syncs {name} 1",
        *(found[0] for found in _LEARNED.finditer(kept)),
    ]
    return "\n".join(lines) + "\n"


def _tls(port: int) -> list[str]:
    """No port without it. `tls-replication` is about every connection that the server opens itself, a Sentinel's too.

    Those verify that a server's certificate is of the authority, and not the name in it: whoever has one is a member.
    """
    return [
        "port 0",
        f"tls-port {port}",
        "tls-replication yes",
        "tls-auth-clients no",
        f"tls-cert-file {CERTIFICATE}",
        f"tls-key-file {PRIVATE_KEY}",
        f"tls-ca-cert-file {AUTHORITY}",
    ]


def _user(member: Member, rights: str) -> str:
    password = hashlib.sha256(member.application_password.encode()).hexdigest()
    return f"user {APPLICATION} on #{password} {rights}"
