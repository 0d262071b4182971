"""The files that a member's server reads, as texts. Pure.

ZooKeeper keeps the list of members in a file of its own, whose name it writes into zoo.cfg; all else in zoo.cfg is ours at each start.
"""

from collections.abc import Iterable
from pathlib import Path

from .member import (
    ADMIN,
    APPLICATION,
    AUTHORITY,
    CLIENT_PORT,
    DATA,
    KEY_STORE,
    LOCAL_PORT,
    LOG,
    TICK_MILLISECONDS,
    Member,
)

_JARS = ("zookeeper", "slf4j-simple", "netty-codec", "netty-resolver", "netty-transport-native-unix-common")
CLASSPATH = ":".join(f"/usr/share/java/{jar}.jar" for jar in _JARS)
"""Debian's zookeeper.jar names the rest of what it needs, Netty in part."""

TOLD = ("QuorumPeer", "Leader", "Follower")
"""Of ZooKeeper's classes, those whose log tells of elections."""

# One that has a vote and nothing on its disk has lost what it acknowledged: it elects nobody before it was given a copy.
NO_EMPTY_VOTES = "db.autocreate=false"


def build_static(dynamic_file: str) -> str:
    lines = [
        f"dataDir={DATA}",
        f"dataLogDir={LOG}",
        f"tickTime={TICK_MILLISECONDS}",
        "initLimit=20",
        "syncLimit=5",
        f"minSessionTimeout={2 * TICK_MILLISECONDS}",
        f"maxSessionTimeout={60 * TICK_MILLISECONDS}",
        "maxClientCnxns=0",
        "autopurge.snapRetainCount=3",
        "autopurge.purgeInterval=1",
        "standaloneEnabled=false",
        "reconfigEnabled=true",
        # Else it binds to what its name leads to, and ends where DNS does not know the name for three seconds.
        "quorumListenOnAllIPs=true",
        NO_EMPTY_VOTES,
        "admin.enableServer=false",
        "4lw.commands.whitelist=ruok,srvr,conf,mntr",
        # Nobody does anything who has not shown a password.
        "authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        "sessionRequireClientSASLAuth=true",
        *build_tls(CLIENT_PORT, KEY_STORE, AUTHORITY),
        f"dynamicConfigFile={dynamic_file}",
    ]
    return "\n".join(lines) + "\n"


def build_tls(port: int, key_store: Path, authority: Path) -> list[str]:
    """Clients verify the server, and show a password. Members verify each other, by the ensemble's authority and not by name
    (ZooKeeper would ask the DNS backwards). They show no password: a member with a vote would show none to one without."""
    return [
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
        f"secureClientPort={port}",
        f"ssl.keyStore.location={key_store}",
        "ssl.keyStore.type=PEM",
        f"ssl.trustStore.location={authority}",
        "ssl.trustStore.type=PEM",
        "ssl.clientAuth=none",
        "sslQuorum=true",
        f"ssl.quorum.keyStore.location={key_store}",
        "ssl.quorum.keyStore.type=PEM",
        f"ssl.quorum.trustStore.location={authority}",
        "ssl.quorum.trustStore.type=PEM",
        "ssl.quorum.clientAuth=need",
        "ssl.quorum.hostnameVerification=false",
    ]


def build_key_store(key: str, chain: str) -> str:
    """ZooKeeper wants both in one PEM file."""
    return f"{key.strip()}\n{chain.strip()}\n"


def find_dynamic(static: str) -> str | None:
    """The file of members that a zoo.cfg names, which ZooKeeper has written there last."""
    found = [line.split("=", 1)[1].strip() for line in static.splitlines() if line.startswith("dynamicConfigFile=")]
    return found[-1] if found else None


def build_jaas(member: Member) -> str:
    users = "\n  ".join(f'user_{name}="{member.passwords[name]}"' for name in (APPLICATION, ADMIN))
    return f"Server {{\n  org.apache.zookeeper.server.auth.DigestLoginModule required\n  {users};\n}};\n"


def confine(lines: str) -> str:
    """The port in plain text is the pod's own. An ensemble of the days before TLS had it open to all, and has kept that."""
    return lines.replace(f";0.0.0.0:{LOCAL_PORT}", f";127.0.0.1:{LOCAL_PORT}")


def parse_members(answer: str) -> tuple[str, ...]:
    """The `server.N=` lines of what a member answers to `conf`; none while it serves nobody."""
    return tuple(line.strip() for line in answer.splitlines() if line.startswith("server."))


def join(member: Member, lines: Iterable[str]) -> str | None:
    """The list of members for one that has none yet, given what the ensemble has; None: wait until somebody answers.

    One that the ensemble does not know begins as an observer, which has no vote: it is the operator that makes it a
    participant. The first member of all forms the ensemble, alone, and only once.
    """
    known = tuple(lines)
    if lists(member, known):
        return "\n".join(known) + "\n"
    if known:
        return "\n".join([*known, member.describe("observer")]) + "\n"
    if member.ordinal == 0 and not member.is_formed:
        return member.describe("participant") + "\n"
    return None


def forms(member: Member, listed: str) -> bool:
    """Whether it begins an ensemble of its own: only then nothing was ever on its disk."""
    return not member.is_formed and parse_members(listed) == (member.describe("participant"),)


def lists(member: Member, lines: Iterable[str]) -> bool:
    """A follower without a vote is given the ensemble's list without itself, and would not start again with that."""
    return any(line.startswith(f"server.{member.number}=") for line in lines)


def build_command(heap_megabytes: int) -> list[str]:
    options = [
        f"-Xmx{heap_megabytes}m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.security.auth.login.config=/run/caisson/jaas.conf",
        f"-Dzookeeper.superUser={ADMIN}",
        "-Dzookeeper.admin.enableServer=false",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        # Who leads, and why somebody does so no more.
        *(f"-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.server.quorum.{name}=info" for name in TOLD),
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Djava.io.tmpdir=/tmp",
        # Pods keep their names and change their addresses: an old answer must not be kept.
        "-Dsun.net.inetaddr.ttl=5",
        "-Dsun.net.inetaddr.negative.ttl=0",
    ]
    return ["java", *options, "-cp", CLASSPATH, "org.apache.zookeeper.server.quorum.QuorumPeerMain"]
