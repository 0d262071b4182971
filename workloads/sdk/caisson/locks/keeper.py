"""Keeps what one client holds: grants it, renews all of it in one thread, and says when it is lost."""

import itertools
import logging
import os
import socket
import threading
import time
from asyncio import current_task
from asyncio.events import _get_running_loop
from collections.abc import Callable, Hashable, Sequence
from uuid import uuid4

from caisson.errors import ConfigurationError, LockTimeout, StoreUnavailable
from caisson.locks.hold import Held, OnLost
from caisson.locks.policy import Policy
from caisson.locks.renewal import decide_renewal
from caisson.locks.store import Claim, Grant, LockStore, Mode

log = logging.getLogger("caisson.locks")

FAILED_PAUSE_SHARE = 1 / 20
ROUNDS_UNTIL_PARKED = 10
"""A hold and release in a loop should find the thread awake, and not pay for waking it each time."""
FOREVER = float("inf")


def this_holder() -> Hashable:
    """The task that runs, or else the thread. Not a context variable: a new task would inherit its parent's locks."""
    if _get_running_loop() is None:
        return threading.get_ident()
    return current_task() or threading.get_ident()


class Keeper:
    """What all locks of a client share. Thread-safe."""

    def __init__(self, store: LockStore, policy: Policy, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self.policy = policy
        self.clock = clock
        self.longest_seconds = FOREVER if policy.max_hold_seconds is None else policy.max_hold_seconds
        self._holds: dict[Hashable, Held] = {}
        self._unreleased: dict[Grant, float] = {}
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}/"
        self._numbers = itertools.count(1)
        self._is_parked = True
        self._is_closed = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def acquire(self, claim: Claim, timeout: float | None, on_lost: OnLost | None, *, must_wait: bool) -> Held | None:
        """A hold, or None where it is not to be waited for. Raises LockTimeout, StoreUnavailable."""
        owner = f"{self._owner}{next(self._numbers)}"
        key = owner if claim.mode is Mode.PERMIT or not self.policy.is_reentrant else (this_holder(), claim.name)
        held = self._holds.get(key)
        if held is not None:
            return _enter_again(held, claim)
        grant = self._acquire(claim, owner, timeout) if must_wait else self._try(claim, owner)
        if grant is None:
            return None
        held = Held(self, key, grant, on_lost)
        self._holds[key] = held
        if self._is_parked:
            self._unpark()
        return held

    def let_go(self, held: Held) -> str | None:
        """Release a hold on the store. Returns why it was lost, if it was."""
        self._holds.pop(held.key, None)
        if held.loss is not None:
            return held.loss
        ended = self.clock() >= held.believed_until
        try:
            was_held = self.store.release(held.grant)
        except StoreUnavailable:
            self._unreleased[held.grant] = held.leased_at + self.store.lease_seconds
            was_held = True
        if ended:
            return held.reason_of_end()
        return None if was_held else "the store says that it had ended or been taken away"

    def close(self) -> None:
        """Release what is held, end the thread, close the store."""
        self._is_closed = True
        self._wake.set()
        for held in tuple(self._holds.values()):
            held.note_loss("the client was closed")
            self._holds.pop(held.key, None)
            self._release_quietly(held.grant)
        self.store.close()

    def _try(self, claim: Claim, owner: str) -> Grant | None:
        try:
            return self.store.try_acquire(claim, owner)
        except BaseException:
            self._leave_quietly(claim, owner)
            raise

    def _acquire(self, claim: Claim, owner: str, timeout: float | None) -> Grant:
        try:
            grant = self.store.try_acquire(claim, owner)
            if grant is not None:
                return grant
        except StoreUnavailable:
            if timeout == 0 or self._is_closed:
                raise
        except BaseException:
            self._leave_quietly(claim, owner)
            raise
        deadline = FOREVER if timeout is None else self.clock() + timeout
        grant = self.store.wait(claim, owner, deadline)
        if grant is None:
            raise LockTimeout(f"the lock {claim.name!r} did not become free within {timeout:g} s")
        return grant

    def _leave_quietly(self, claim: Claim, owner: str) -> None:
        try:
            self.store.leave(claim, owner)
        except StoreUnavailable:
            log.debug("lock_left_to_its_lease", extra={"lock": claim.name})

    def _release_quietly(self, grant: Grant) -> bool:
        try:
            self.store.release(grant)
        except StoreUnavailable:
            return False
        return True

    def _unpark(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew_forever, name="caisson-locks", daemon=True)
                self._thread.start()
        self._wake.set()

    def _renew_forever(self) -> None:
        idle_rounds = 0
        while not self._is_closed:
            self._wake.clear()
            self._is_parked = False
            seconds = self.renew_once()
            idle_rounds = 0 if self._holds or self._unreleased else idle_rounds + 1
            if idle_rounds < ROUNDS_UNTIL_PARKED:
                self._wake.wait(seconds)
                continue
            # Whoever adds a hold looks at this flag after it: so look at the holds again after the flag.
            self._is_parked = True
            if not self._holds and not self._is_closed:
                self._wake.wait()

    def renew_once(self) -> float:
        """Do what is due now; after how many seconds to come again."""
        holds = [held for held in list(self._holds.values()) if held.loss is None]
        plan = decide_renewal(holds, self.clock(), self.store.lease_seconds)
        for held in plan.over:
            self._lose(held, held.reason_of_end())
        if plan.due and not self._renew(plan.due):
            return FAILED_PAUSE_SHARE * self.store.lease_seconds
        self._release_late()
        return min(plan.seconds, self.longest_seconds / 4)

    def _renew(self, holds: Sequence[Held]) -> bool:
        began = self.clock()
        try:
            answers = self.store.renew([held.grant for held in holds])
        except StoreUnavailable as error:
            log.warning("lock_renewal_failed", extra={"locks": len(holds), "reason": str(error)})
            return False
        for held, is_held in zip(holds, answers, strict=True):
            if is_held:
                held.note_lease(began)
            else:
                self._lose(held, "the store says that it had ended or been taken away")
        return True

    def _lose(self, held: Held, reason: str) -> None:
        if self._holds.get(held.key) is not held:
            return  # released meanwhile
        log.warning("lock_lost", extra={"lock": held.name, "token": held.token, "reason": reason})
        self._unreleased[held.grant] = held.leased_at + self.store.lease_seconds
        try:
            held.note_loss(reason)
        except Exception:
            log.exception("lock_callback_failed", extra={"lock": held.name})

    def _release_late(self) -> None:
        """Tell the store of holds that ended while it could not be told, so that others need not wait for the lease."""
        for grant, over_at in tuple(self._unreleased.items()):
            if self.clock() >= over_at or self._release_quietly(grant):
                self._unreleased.pop(grant, None)


def _enter_again(held: Held, claim: Claim) -> Held:
    if held.grant.claim.mode is Mode.SHARED and claim.mode is Mode.EXCLUSIVE:
        raise ConfigurationError(
            f"the lock {claim.name!r} is held for reading by this holder, which would wait for itself to write"
        )
    return held.enter_again()
