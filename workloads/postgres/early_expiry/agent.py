"""The agent's rounds: look, count the silence, and once it has lasted, read everything anew, decide, act."""

import asyncio
from dataclasses import dataclass, field
from typing import assert_never

from .decide import Case, Expire, Refuse, decide_expiry
from .effects import Hands
from .kube import Conflict
from .observe import Eyes
from .report import Report
from .timings import Timings
from .watch import SHORTEST, Verdict, Watch, decide_verdict, forget_silence, watch

ROUND_SECONDS = 0.2
# After a renewal: the next one is due a second after it or later, and each look costs the API server, for every shard that there is.
# Shorter than that second, so that the looks move towards the renewals, and silence is counted from soon after the last.
CALM_SECONDS = 0.8
IDLE_SECONDS = 1.5
# Patroni's timings change rarely, and they are read once more before anything is done.
TIMINGS_SECONDS = 30.0
# No round takes longer: each call in it has its own limit, and this one is for what nobody has thought of.
LIMIT_SECONDS = 15.0


@dataclass(slots=True)
class KnownTimings:
    """As they were read last; `read_at` by the monotonic clock."""

    timings: Timings = SHORTEST
    read_at: float | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    name: str
    eyes: Eyes
    hands: Hands
    report: Report
    known: KnownTimings = field(default_factory=KnownTimings)

    async def run(self) -> None:
        known: Watch | None = None
        while True:
            begun_at = self.eyes.clock()
            known = await self.guarded_round(known)
            await asyncio.sleep(max(0.0, begun_at + self.pause_seconds(known) - self.eyes.clock()))

    def pause_seconds(self, known: Watch | None) -> float:
        """From the beginning of one round to that of the next."""
        if known is None:
            return ROUND_SECONDS
        timings = self.known.timings
        if known.record.leader == self.name or known.not_renewed_seconds > timings.lost:
            return IDLE_SECONDS
        return CALM_SECONDS if known.not_renewed_seconds <= timings.calm else ROUND_SECONDS

    async def guarded_round(self, known: Watch | None) -> Watch | None:
        """Whatever goes wrong is told, and costs the silence counted so far, so that the next round begins from there."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await self.round(known)
        except Exception as error:  # noqa: BLE001 - the next round must begin whatever this one has met
            self.report.tell("round_failed", f"{type(error).__name__}", message=str(error))
            return forget_silence(known)

    async def round(self, known: Watch | None) -> Watch:
        """Raises StoreError and whatever else: nothing that was begun needs undoing."""
        timings = await self.follow_timings()
        known = watch(known, await self.eyes.look(known, timings), timings)
        verdict = decide_verdict(known, self.name, timings)
        if verdict == Verdict.EXPIRY_DUE:
            await self.end_lead(known)
        else:
            self.report.tell("leader_watched", verdict, leader=known.record.leader)
        return known

    async def follow_timings(self) -> Timings:
        """Raises StoreError; the next round then asks again."""
        now = self.eyes.clock()
        if self.known.read_at is None or now - self.known.read_at >= TIMINGS_SECONDS:
            self.known.timings, self.known.read_at = await self.eyes.read_timings(), now
        return self.known.timings

    async def end_lead(self, known: Watch) -> None:
        record = await self.eyes.read_leader()
        sync, own, timings = await asyncio.gather(
            self.eyes.read_sync(), self.eyes.observe_own(), self.eyes.read_timings()
        )
        decision = decide_expiry(Case(self.name, known, record, sync, own, timings))
        match decision:
            case Refuse(reason):
                self.report.tell("early_expiry_refused", reason, **seen(known))
            case Expire():
                await self.apply(decision, known)
            case _:
                assert_never(decision)

    async def apply(self, expire: Expire, known: Watch) -> None:
        try:
            await self.hands.apply(expire.steps)
        except Conflict as conflict:
            self.report.tell("early_expiry_overtaken", str(known.record.leader), message=str(conflict), **seen(known))
        else:
            self.report.tell("leader_expired", str(known.record.leader), steps=expire.steps, **seen(known))


def seen(known: Watch) -> dict[str, object]:
    return {
        "leader": known.record.leader,
        "not_renewed_seconds": round(known.not_renewed_seconds, 2),
        "postgres_down_seconds": round(known.postgres_down_seconds, 2),
        "rest_down_seconds": round(known.rest_down_seconds, 2),
    }
