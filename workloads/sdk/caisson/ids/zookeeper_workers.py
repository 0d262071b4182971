"""Worker ids in ZooKeeper: a node each with owner and mark, changed at its version, and an ephemeral node as the lease.

    SPACE               "MODE LAYOUT"
    SPACE/workers/N     {"owner": ..., "reserved_until": milliseconds}    stays for ever
    SPACE/live/N        ephemeral: the lease lasts as long as its owner's session
    SPACE/rollbacks/N   {"teller": ..., "times": ..., "furthest_ms": ..., "ago_ms": ...}    of the last owner whose wall clock went back

A claim makes the ephemeral node and sets the other at the version that was read, both or neither: of two who claim, or of a claimer
and an owner who moves the mark, one loses. ZooKeeper tells nobody the time; when a session has ended is decided by its own ticks.
"""

import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from caisson.errors import NoWorkerId
from caisson.ids.grants import Grant, LeaseLost, NotReachable, RollbackReport
from caisson.ids.spaces import must_be_the_same

ROOT = "/caisson/ids"
ANSWER_SECONDS = 2.0
LOST = (BadVersionError, NodeExistsError, NoNodeError)


class ZooKeeperWorkers:
    """See caisson.ids.grants.WorkerStore. The lease is the client's session; `start` of the client is called here."""

    def __init__(self, client: KazooClient, space: str, workers: int) -> None:
        self._client = client
        self._path = f"{ROOT}/{space}"
        self._space = space
        self._workers = workers
        self._version = 0
        try:
            self._client.start(timeout=ANSWER_SECONDS * 2)
        except KazooTimeoutError as error:
            self.close()
            raise NotReachable(f"ZooKeeper: {error}") from error

    def keep_space(self, mode: str, layout: str) -> None:
        """Make the space, or see that it was made for the same ids. Raises ConfigurationError where it was not."""
        said = json.dumps([mode, layout]).encode()
        with suppress(NodeExistsError):
            self._answer(self._client.create_async(self._path, said, makepath=True))
        made_mode, made_layout = json.loads(self._answer(self._client.get_async(self._path))[0])
        must_be_the_same(self._space, (mode, layout), (made_mode, made_layout))
        for name in ("workers", "live", "rollbacks"):
            self._answer(self._client.ensure_path_async(f"{self._path}/{name}"))

    def claim(self, now_ms: int, reserve_ms: int) -> Grant:
        """A worker id that was used before; else one that never was."""
        try:
            known = {int(name) for name in self._children("workers")}
            live = {int(name) for name in self._children("live")}
        except NoNodeError as error:
            raise NotReachable(
                f"the ensemble knows no id space {self._space!r} any more: it has lost its data, and with it which ids are out"
            ) from error
        for worker in sorted(known - live):
            if worker < self._workers and (grant := self._recycle(worker, now_ms, reserve_ms)):
                return grant
        for worker in range(self._workers):
            if worker not in known and (grant := self._begin(worker, now_ms, reserve_ms)):
                return grant
        raise NoWorkerId(
            f"all {self._workers} worker ids of {self._space!r} are leased, or were reserved past this moment "
            f"(Unix time {now_ms} ms)"
        )

    def extend(self, grant: Grant, until_ms: int, lease_ms: int) -> Grant:
        del lease_ms  # the session's, which the client itself keeps
        wanted = Grant(grant.worker, grant.owner, grant.from_ms, max(until_ms, grant.until_ms))
        for _ in range(2):
            outcome = self._set_mark(wanted)
            if outcome is None:
                return wanted
            if isinstance(outcome, NoNodeError):
                break
            owner, mark, version = self._read(grant.worker)
            if owner != grant.owner:
                break
            wanted = Grant(grant.worker, grant.owner, grant.from_ms, max(until_ms, mark))  # an answer was lost
            self._version = version
        raise LeaseLost(f"worker id {grant.worker} of {self._space!r}: the session that held it has ended")

    def release(self, grant: Grant) -> None:
        with suppress(NoNodeError):
            owner, _, _ = self._read(grant.worker)
            if owner == grant.owner:
                self._answer(self._client.delete_async(self._node("live", grant.worker)))

    def report_rollback(self, grant: Grant, report: RollbackReport) -> None:
        """When it was written is told by the node itself, in the ensemble's time. Makes no node above it: an ensemble without it has lost its data."""
        path, said = self._node("rollbacks", grant.worker), json.dumps(asdict(report)).encode()
        try:
            with suppress(NodeExistsError):
                self._answer(self._client.create_async(path, said))
                return
            self._answer(self._client.set_async(path, said))
        except NoNodeError as error:
            raise NotReachable(f"the ensemble knows no id space {self._space!r} any more") from error

    def count_leased(self) -> int:
        try:
            return len(self._children("live"))
        except NoNodeError as error:
            raise NotReachable(f"the ensemble knows no id space {self._space!r} any more") from error

    def close(self) -> None:
        self._client.stop()
        self._client.close()

    def _set_mark(self, wanted: Grant) -> Exception | None:
        outcome = self._commit(
            lambda change: change.check(self._node("live", wanted.worker), 0),
            lambda change: change.set_data(self._node("workers", wanted.worker), _content(wanted), self._version),
        )
        self._version += outcome is None
        return outcome

    def _recycle(self, worker: int, now_ms: int, reserve_ms: int) -> Grant | None:
        _, mark, version = self._read(worker)
        if mark > now_ms:
            return None
        grant = Grant(worker, secrets.token_hex(16), now_ms, now_ms + reserve_ms)
        outcome = self._commit(
            lambda change: change.create(self._node("live", worker), grant.owner.encode(), ephemeral=True),
            lambda change: change.set_data(self._node("workers", worker), _content(grant), version),
        )
        self._version = version + 1
        return grant if outcome is None else None

    def _begin(self, worker: int, now_ms: int, reserve_ms: int) -> Grant | None:
        grant = Grant(worker, secrets.token_hex(16), now_ms, now_ms + reserve_ms)
        outcome = self._commit(
            lambda change: change.create(self._node("workers", worker), _content(grant)),
            lambda change: change.create(self._node("live", worker), grant.owner.encode(), ephemeral=True),
        )
        self._version = 0
        return grant if outcome is None else None

    def _commit(self, *changes: Callable[[Any], object]) -> Exception | None:
        """All of it, or nothing: then why. Raises NotReachable where that is not known."""
        transaction = self._client.transaction()
        for change in changes:
            change(transaction)
        results = self._answer(transaction.commit_async())
        failures: list[Exception] = [each for each in results if isinstance(each, LOST)]
        if failures:
            return failures[0]
        if broken := [each for each in results if isinstance(each, Exception)]:
            raise NotReachable(f"ZooKeeper: {broken[0]!r}")
        return None

    def _read(self, worker: int) -> tuple[str, int, int]:
        data, stat = self._answer(self._client.get_async(self._node("workers", worker)))
        content = json.loads(data)
        return content["owner"], content["reserved_until"], stat.version

    def _children(self, name: str) -> list[str]:
        return list(self._answer(self._client.get_children_async(f"{self._path}/{name}")))

    def _node(self, name: str, worker: int) -> str:
        return f"{self._path}/{name}/{worker}"

    def _answer(self, request: Any) -> Any:
        """What a request of kazoo's comes to. While there is no connection it would wait for ever, hence the timeout."""
        try:
            return request.get(timeout=ANSWER_SECONDS)
        except LOST:
            raise
        except (KazooException, KazooTimeoutError) as error:
            raise NotReachable(f"ZooKeeper: {error!r}") from error


def _content(grant: Grant) -> bytes:
    return json.dumps({"owner": grant.owner, "reserved_until": grant.until_ms}).encode()
