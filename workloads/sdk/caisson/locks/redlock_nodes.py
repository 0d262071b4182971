"""Several independent Redis primaries, asked at once. A node that fails is left alone for a moment, so that it does not
hold up every request to the others."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.exceptions import NoScriptError

from caisson.errors import EpochNotRaised, StoreUnavailable
from caisson.locks.redis_link import Ear, Link, Passing
from caisson.locks.redis_scripts import RAISE_EPOCH, Script

REST_SECONDS = 0.5
MOST_OWED = 1000
RESTS = Passing("failed a moment ago")


Owed = tuple[Script, list[str], list[Any]]


@dataclass(slots=True, eq=False)
class Node:
    """One primary."""

    link: Link
    resting_until: float = 0.0
    owed: deque[Owed] = field(default_factory=lambda: deque(maxlen=MOST_OWED))

    def is_resting(self) -> bool:
        return time.monotonic() < self.resting_until


class Ears:
    """One ear, at one of the nodes: at the next one after it was dropped."""

    def __init__(self, links: Sequence[Link], channel: str) -> None:
        self._links = links
        self._channel = channel
        self._turn = 0
        self._ear: Ear | None = None

    def one(self) -> Ear:
        """Raises Passing."""
        if self._ear is None:
            self._turn += 1
            self._ear = self._links[self._turn % len(self._links)].listen(self._channel)
        return self._ear

    def drop(self) -> None:
        if self._ear is not None:
            self._links[self._turn % len(self._links)].forget(self._ear)
            self._ear = None


class Nodes:
    """All primaries of a Redlock. Thread-safe."""

    def __init__(self, links: Sequence[Link], epoch_key: str, *, is_managed: bool) -> None:
        self._nodes = [Node(link) for link in links]
        self._epoch_key = epoch_key
        self._is_managed = is_managed
        self.majority = len(links) // 2 + 1

    def __len__(self) -> int:
        return len(self._nodes)

    def ask(self, script: Script, keys: list[str], arguments: Sequence[Any]) -> list[Any]:
        """Each node's answer, or the Passing that it failed with, in their order."""
        command = ("EVALSHA", script.sha, len(keys), *keys, *arguments)
        awake = [node for node in self._nodes if not node.is_resting()]
        asked = awake if len(awake) >= self.majority else self._nodes
        started = [self._start(node, command) if node in asked else RESTS for node in self._nodes]
        return [self._finish(node, each, script, command) for node, each in zip(self._nodes, started, strict=True)]

    def tell(self, script: Script, keys: list[str], arguments: Sequence[Any]) -> list[Any]:
        """The same, for what a node that fails is to be told before it is asked anything else."""
        answers = self.ask(script, keys, arguments)
        for node, answer in zip(self._nodes, answers, strict=True):
            if isinstance(answer, Passing):
                node.owed.append((script, keys, list(arguments)))
        return answers

    def need(self, answers: Sequence[Any]) -> list[Any]:
        """The answers without the failures. Raises StoreUnavailable unless a majority answered."""
        found = [each for each in answers if not isinstance(each, Passing)]
        if len(found) >= self.majority:
            return found
        failures = [each for each in answers if isinstance(each, Passing)]
        silent = sum(1 for failure in failures if not failure.is_epoch)
        kind = StoreUnavailable if silent > len(self) - self.majority else EpochNotRaised
        reasons = "; ".join(dict.fromkeys(str(failure) for failure in failures))
        raise kind(f"{len(found)} of {len(self)} servers answered, a majority is needed: {reasons}")

    def call(self, work: Callable[[Link], Any]) -> list[Any]:
        """Something else with each node in turn: its result, or the Passing that it failed with."""
        return [self._try(node, lambda node=node: work(node.link)) for node in self._nodes]  # type: ignore[misc]

    @contextmanager
    def ears(self, channel: str) -> Iterator["Ears"]:
        """What one waiter listens with."""
        ears = Ears([node.link for node in self._nodes], channel)
        try:
            yield ears
        finally:
            ears.drop()

    def close(self) -> None:
        for node in self._nodes:
            node.link.close()

    def _start(self, node: Node, command: tuple[Any, ...]) -> "redis.Connection | Passing":
        def start() -> redis.Connection:
            with suppress(IndexError):
                while node.owed:
                    _pay(node, node.owed.popleft())
            return node.link.start(*command)

        started: redis.Connection | Passing = self._try(node, start)
        return started

    def _finish(
        self, node: Node, started: "redis.Connection | Passing", script: Script, command: tuple[Any, ...]
    ) -> Any:
        if isinstance(started, Passing):
            return started

        def finish() -> Any:
            try:
                return node.link.finish(started)
            except NoScriptError:
                return node.link.send("EVAL", script.text, *command[2:])

        answer = self._try(node, finish)
        if isinstance(answer, Passing) and answer.is_epoch and not self._is_managed:
            return self._try(node, lambda: self._raise_and_repeat(node, script, command))
        return answer

    def _raise_and_repeat(self, node: Node, script: Script, command: tuple[Any, ...]) -> Any:
        node.link.run(RAISE_EPOCH, [self._epoch_key], [])
        return node.link.send(*command, otherwise=script)

    def _try(self, node: Node, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Passing as failure:
            if not failure.is_epoch:
                node.resting_until = time.monotonic() + REST_SECONDS
            return failure


def _pay(node: Node, owed: Owed) -> None:
    try:
        node.link.run(*owed)
    except Passing:
        node.owed.appendleft(owed)
        raise
