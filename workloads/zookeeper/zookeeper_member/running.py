"""Finding the ensemble, starting the server, probing it. The effects of this package."""

import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from .configuration import build_command, build_jaas, build_static, find_dynamic, forms, join, lists, parse_members
from .member import CLIENT_PORT, CONFIGURATION, DATA, JAAS, LOG, Member

ASK_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 1.0
SERVING = ("leader", "follower", "observer")


def run(member: Member, environment: Mapping[str, str]) -> NoReturn:
    for folder in (DATA, LOG, CONFIGURATION.parent):
        folder.mkdir(parents=True, exist_ok=True)
    _write(DATA / "myid", str(member.number))
    _write(JAAS, build_jaas(member))
    members_file = _find_members_file(member)
    if forms(member, Path(members_file).read_text()):
        (LOG / "initialize").touch()  # ZooKeeper takes it away as it makes its data
    _write(CONFIGURATION, build_static(members_file))
    command = [*build_command(int(environment.get("CAISSON_HEAP_MEGABYTES", "192"))), str(CONFIGURATION)]
    _say("starting", number=member.number)
    os.execvp(command[0], command)


def is_ready() -> bool:
    """It serves clients: it leads, or follows a leader."""
    return read_mode(ask("127.0.0.1", "srvr")) in SERVING


def is_alive() -> bool:
    """The process answers; without a quorum it serves nobody and is as alive as it can be."""
    return ask("127.0.0.1", "ruok") == "imok"


def ask(host: str, word: str) -> str:
    """A four-letter word's answer. Raises OSError."""
    with socket.create_connection((host, CLIENT_PORT), timeout=ASK_SECONDS) as connection:
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
    lines = parse_members(Path(kept).read_text()) if kept and Path(kept).exists() else ()
    if kept and lists(member, lines):
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
            members = parse_members(ask(host, "conf"))
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
