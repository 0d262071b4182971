"""Finding the ensemble, starting the server, probing it. The effects of this package."""

import os
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from .configuration import (
    build_command,
    build_jaas,
    build_key_store,
    build_static,
    confine,
    find_dynamic,
    forms,
    join,
    lists,
    parse_members,
)
from .member import AUTHORITY, CLIENT_PORT, CONFIGURATION, DATA, JAAS, KEY_STORE, LOCAL_PORT, LOG, TLS, Member
from .name import await_name

ASK_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 1.0
SERVING = ("leader", "follower", "observer")


def run(member: Member, environment: Mapping[str, str]) -> NoReturn:
    for folder in (DATA, LOG, CONFIGURATION.parent):
        folder.mkdir(parents=True, exist_ok=True)
    _write(DATA / "myid", str(member.number))
    _write(JAAS, build_jaas(member))
    _write(KEY_STORE, build_key_store((TLS / "tls.key").read_text(), (TLS / "tls.crt").read_text()))
    await_name(member.host)
    members_file = _find_members_file(member)
    if forms(member, Path(members_file).read_text()):
        (LOG / "initialize").touch()  # ZooKeeper takes it away as it makes its data
    _write(CONFIGURATION, build_static(members_file))
    command = [*build_command(int(environment.get("CAISSON_HEAP_MEGABYTES", "192"))), str(CONFIGURATION)]
    _say("starting", number=member.number)
    os.execvp(command[0], command)


def is_ready() -> bool:
    """It serves clients: it leads, or follows a leader."""
    return read_mode(ask("srvr")) in SERVING


def is_alive() -> bool:
    """The process answers; without a quorum it serves nobody and is as alive as it can be."""
    return ask("ruok") == "imok"


def ask(word: str) -> str:
    """What the server of this pod answers to a four-letter word. Raises OSError."""
    with socket.create_connection(("127.0.0.1", LOCAL_PORT), timeout=ASK_SECONDS) as connection:
        return _exchange(connection, word)


def ask_fellow(host: str, word: str, port: int = CLIENT_PORT, authority: Path = AUTHORITY) -> str:
    """What another member answers, which has to show a certificate of the authority's for its name. Raises OSError."""
    context = ssl.create_default_context(cafile=authority)
    with (
        socket.create_connection((host, port), timeout=ASK_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        return _exchange(connection, word)


def _exchange(connection: socket.socket, word: str) -> str:
    connection.sendall(word.encode())
    return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")


def read_mode(answer: str) -> str:
    found = [line.split(":", 1)[1].strip() for line in answer.splitlines() if line.startswith("Mode:")]
    return found[0] if found else ""


def _find_members_file(member: Member) -> str:
    """The one that ZooKeeper has kept, if this member is in it; else the list that the others give, or the one that was kept.

    Whoever of the others knows a later list tells this member while they look for a leader.
    """
    kept = find_dynamic(CONFIGURATION.read_text()) if CONFIGURATION.exists() else None
    told = confine(Path(kept).read_text()) if kept and Path(kept).exists() else ""
    lines = parse_members(told)
    if kept and lists(member, lines):
        _write(Path(kept), told)
        return kept
    while True:
        listed = join(member, _ask_others(member) or lines)
        if listed:
            made = CONFIGURATION.with_name("members.cfg")
            _write(made, listed)
            return str(made)
        _say("waiting", reason="no member of the ensemble answers")
        time.sleep(LOOK_AGAIN_SECONDS)


def _ask_others(member: Member) -> tuple[str, ...]:
    for host in member.other_hosts:
        try:
            members = parse_members(ask_fellow(host, "conf"))
        except ssl.SSLError as error:
            _say("not trusted", member=host, reason=error)
            continue
        except OSError:
            continue
        if members:
            return members
    return ()


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    draft = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as made:
        made.write(text)
        made.flush()
        os.fsync(made.fileno())
    draft.replace(file)


def _say(event: str, **fields: object) -> None:
    print(event, *(f"{name}={value}" for name, value in fields.items()), file=sys.stderr, flush=True)
