"""The command line: every command with an example, and nothing done yet."""

import argparse
import re
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from .ids import ID_BITS
from .release import DEFAULT_NAMESPACE

PROGRAM = "kubectl caisson"
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_OVERVIEW = f"""examples:
  {PROGRAM} status
  {PROGRAM} switchover flights s0
  {PROGRAM} expand plan flights --shards 4
  {PROGRAM} lock list
  {PROGRAM} backing

exit codes:
  0  done
  1  it is not so, or it failed: one line on stderr says why, and what to do
  2  usage"""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def build_parser(version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="See, expand and switch over what Caisson runs: sharded databases, locks, backing clusters.",
        epilog=_OVERVIEW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kubectl-caisson {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_status(commands)
    _add_backing(commands)
    _add_failovers(commands)
    _add_switchover(commands)
    _add_expand(commands)
    _add_lock(commands)
    _add_report(commands)
    _add_id(commands)
    return parser


def parse_seconds(text: str) -> float:
    """A duration as Kubernetes writes them: 500ms, 60s, 1m30s."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 60s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_label(text: str) -> str:
    """The name of a shard or a member; the annotation separates them by a slash."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: lower-case letters, digits and dashes")
    return text


def parse_lock(text: str) -> str:
    """The name of a lock, as the SDK takes them: anything but control characters, 512 bytes at most."""
    if not text or len(text.encode()) > 512 or not text.isprintable():
        raise argparse.ArgumentTypeError(
            f"{text[:64]!r} is no name of a lock: up to 512 bytes without control characters"
        )
    return text


def parse_count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def parse_bits(text: str) -> tuple[int, int, int]:
    parts = text.split("+")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) for part in parts) or sum(map(int, parts)) > ID_BITS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no layout such as 41+10+12: three numbers, at most {ID_BITS} together"
        )
    timestamp, worker, sequence = map(int, parts)
    return timestamp, worker, sequence


def parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment such as 2026-01-01T00:00:00Z")
    return moment


def _add_status(commands: Commands) -> None:
    text = "What is the matter with a database, or with all of a namespace: findings, shards, a running expansion."
    command = _add(commands, "status", text, ("status", "status flights -n demo", "status flights -o json"))
    command.add_argument("name", nargs="?", type=parse_label, metavar="NAME", help="a ShardedDatabase (default: all)")
    _add_output(command)


def _add_backing(commands: Commands) -> None:
    text = "What is the matter with a backing cluster, or with all of a namespace: findings, leader, each member's role and health."
    command = _add(commands, "backing", text, ("backing", "backing locks -n demo", "backing locks -o json"))
    command.add_argument("name", nargs="?", type=parse_label, metavar="NAME", help="a BackingCluster (default: all)")
    _add_output(command)


def _add_failovers(commands: Commands) -> None:
    text = "The failovers on record, newest first: when, from which member to which, how long, what was lost."
    command = _add(commands, "failovers", text, ("failovers flights",))
    _add_name(command)
    _add_output(command)


def _add_switchover(commands: Commands) -> None:
    text = "Ask the operator to make another member the primary of a shard, and follow until it is."
    examples = ("switchover flights s0", "switchover flights s0 --to flights-s0-1 --timeout 2m")
    command = _add(commands, "switchover", text, examples)
    _add_name(command)
    command.add_argument("shard", type=parse_label, metavar="SHARD", help="a shard, such as s0")
    command.add_argument(
        "--to", type=parse_label, metavar="MEMBER", help="the pod that shall lead (default: the operator chooses)"
    )
    command.add_argument("--timeout", type=parse_seconds, default=60.0, metavar="60s", help="how long to follow")
    command.add_argument("--no-wait", action="store_true", help="ask and do not follow")


def _add_expand(commands: Commands) -> None:
    begin = "to begin one: kubectl scale sdb/NAME --replicas=N (there is no other way, and this is not one)"
    text = f"Plan an expansion, or hold one where it stands; {begin}."
    command = _add(commands, "expand", text, ("expand plan flights --shards 4", "expand pause flights"), is_leaf=False)
    steps = command.add_subparsers(dest="step", required=True, metavar="plan|pause|resume")
    text = "How many buckets each shard would give or receive. Nothing is done."
    plan = _add(steps, "plan", text, ("expand plan flights --shards 4",))
    _add_name(plan)
    plan.add_argument("--shards", type=parse_count, required=True, metavar="N", help="how many shards there would be")
    _add_output(plan)
    text = "Set spec.expansion.paused: a switch that has begun is finished, then nothing moves; reads and writes go on."
    _add_name(_add(steps, "pause", text, ("expand pause flights",)))
    _add_name(_add(steps, "resume", "Let a paused expansion go on.", ("expand resume flights",)))


def _add_lock(commands: Commands) -> None:
    text = "See who holds and who waits in a lock space, and take a lock away, as the operator last saw it."
    examples = ("lock list", "lock show jobs invoice:42", "lock release jobs invoice:42")
    command = _add(commands, "lock", text, examples, is_leaf=False)
    steps = command.add_subparsers(dest="step", required=True, metavar="list|show|release")
    text = "The lock spaces of a namespace, or one: the locks that are waited for most and held longest."
    listing = _add(steps, "list", text, ("lock list", "lock list jobs -o json"))
    listing.add_argument("name", nargs="?", type=parse_label, metavar="NAME", help="a DistributedLock (default: all)")
    _add_output(listing)
    show = _add(
        steps, "show", "Who holds one lock, since when, with which fencing token.", ("lock show jobs invoice:42",)
    )
    _add_lock_names(show)
    _add_output(show)
    text = (
        "Take a lock from whoever holds it, and pass it on. The holder learns of it when it next renews; a shard refuses what it "
        "writes with its fence afterwards, since the next token is greater."
    )
    release = _add(steps, "release", text, ("lock release jobs invoice:42",))
    _add_lock_names(release)
    release.add_argument("--timeout", type=parse_seconds, default=60.0, metavar="60s", help="how long to follow")
    release.add_argument("--no-wait", action="store_true", help="ask and do not follow")


def _add_lock_names(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", type=parse_label, metavar="NAME", help="a DistributedLock")
    command.add_argument("lock", type=parse_lock, metavar="LOCK", help="a lock of it")


def _add_report(commands: Commands) -> None:
    text = (
        "Pack what is known of a database for a bug report: objects, events, logs, versions. Secrets are never read, and what looks "
        "like a password, a token or a connection string is hidden in everything else; still, look before you send it."
    )
    command = _add(commands, "report", text, ("report flights", "report flights -o /tmp/flights.tar.gz"))
    _add_name(command)
    command.add_argument(
        "-o", "--output", type=Path, metavar="FILE.tar.gz", help="a new file (default: by name and time)"
    )
    command.add_argument(
        "--tail", type=parse_count, default=5000, metavar="LINES", help="last lines of each log (5000)"
    )
    where = f"where the operator runs (default: looked for; {DEFAULT_NAMESPACE} if that is not allowed)"
    command.add_argument("--operator-namespace", type=parse_label, metavar="NAMESPACE", help=where)


def _add_id(commands: Commands) -> None:
    command = _add(
        commands, "id", "What an id of an IdAllocator says.", ("id decode 119742133161689088",), is_leaf=False
    )
    steps = command.add_subparsers(dest="step", required=True, metavar="decode")
    text = "When, by which worker id, and as the how-manieth of its millisecond an id was made. Without --resource no cluster is asked."
    examples = (
        "id decode 119742133161689088",
        "id decode 119742133161689088 --resource orders",
        "id decode 5 --bits 41+8+14",
    )
    decode = _add(steps, "decode", text, examples)
    decode.add_argument("id", metavar="ID", help="a number, or a UUID of version 7")
    decode.add_argument("--resource", type=parse_label, metavar="NAME", help="the IdAllocator whose layout it has")
    decode.add_argument("--bits", type=parse_bits, metavar="41+10+12", help="bits of timestamp, worker id and sequence")
    decode.add_argument("--epoch", type=parse_moment, metavar="2026-01-01T00:00:00Z", help="what timestamps count from")
    _add_output(decode)


def _add(
    commands: Commands, name: str, text: str, examples: tuple[str, ...], *, is_leaf: bool = True
) -> argparse.ArgumentParser:
    lines = "\n".join(f"  {PROGRAM} {example}" for example in examples)
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if is_leaf:
        command.add_argument("-n", "--namespace", help="namespace (default: the context's)")
        command.add_argument("--context", help="context of the kubeconfig (default: the current one)")
        command.add_argument("--kubeconfig", help="a kubeconfig file (default: KUBECONFIG, or ~/.kube/config)")
    return command


def _add_name(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", type=parse_label, metavar="NAME", help="a ShardedDatabase")


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", choices=("table", "json"), default="table", help="table (default) or json")
