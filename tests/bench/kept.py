"""Rounds of this run and of earlier ones, a line of JSON each in build/bench, so that CONTINUE=yes adds to them.

A round that broke off is kept too, by what it broke off for: figures that leave it out say so.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from bench.record import FOLDER, Record
from demo.cluster import CommandFailedError, TimedOutError, say


@dataclass(frozen=True, slots=True)
class Broken:
    """`kind` is that of the round: rounds, controls, defaults."""

    kind: str
    fault: str
    why: str

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of_line(cls, line: str) -> "Broken":
        return cls(**json.loads(line))


def keep(name: str, line: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.jsonl").open("a") as file:
        file.write(line)


def lines(name: str) -> list[str]:
    path = FOLDER / f"{name}.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def forget(names: Iterable[str]) -> None:
    for name in names:
        (FOLDER / f"{name}.jsonl").unlink(missing_ok=True)


def read_broken(name: str) -> list[Broken]:
    return [Broken.of_line(line) for line in lines(name)]


@contextmanager
def keeping_breaks(name: str, kind: str, fault: str) -> Iterator[None]:
    """A round that breaks off is kept, and the next one may be done, as the shard may stand again; unless nobody foresaw the error."""
    try:
        yield
    except Exception as error:
        first, *_ = str(error).splitlines() or [""]
        keep(name, Broken(kind, fault, f"{type(error).__name__}: {first}").to_line())
        say(f"  {fault} broke off: {error}")
        if not isinstance(error, (TimedOutError, CommandFailedError)):
            raise


def count_broken(kind: str, done: int, broken: Iterable[Broken]) -> Record:
    """Of all rounds that were begun."""
    faults = [each.fault for each in broken if each.kind == kind]
    return Record(f"{kind}_broken_off", "rounds", len(faults), done + len(faults), tell_each(faults))


def tell_each(names: Iterable[str]) -> str:
    """How often each was named; "none" where none was."""
    told = list(names)
    return ", ".join(f"{name} {told.count(name)}" for name in dict.fromkeys(told)) or "none"
