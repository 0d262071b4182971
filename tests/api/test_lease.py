"""The election against a real API server: one leads, the next takes over, terms rise, and who has slept ends itself."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from api.apiserver import REPOSITORY, ApiServer
from caisson_operator.core.leadership import Timing
from caisson_operator.effects.kube import KubeApi
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.effects.lease import LeadershipLost, LeaseElector, LeaseName, read_record
from caisson_operator.loop_thread import LoopThread

TIMING = Timing(duration=2.0, renew_deadline=1.5, retry=0.2, request=1.0)
PATIENCE_SECONDS = 30


def build(kube: KubeApi, namespace: str, identity: str, timing: Timing = TIMING) -> LeaseElector:
    return LeaseElector(kube, LeaseName(namespace, "test"), identity, timing, lambda _: None)


@asynccontextmanager
async def connected(server: ApiServer) -> AsyncIterator[KubeApi]:
    async with open_kube_api(str(server.kubeconfig)) as kube, asyncio.timeout(PATIENCE_SECONDS):
        yield kube


@pytest.mark.asyncio
async def test_of_two_candidates_one_leads_while_it_renews(server: ApiServer, namespace: str) -> None:
    async with connected(server) as kube:
        first, second = build(kube, namespace, "a"), build(kube, namespace, "b")
        term = await first.acquire()
        renewing = asyncio.create_task(first.renew_until_lost())
        waiting = asyncio.create_task(second.acquire())
        done, _ = await asyncio.wait({renewing, waiting}, timeout=2 * TIMING.duration)
        assert not done
        renewing.cancel()
        assert await waiting > term


@pytest.mark.asyncio
async def test_a_released_lease_passes_on_without_waiting_for_its_end(server: ApiServer, namespace: str) -> None:
    slow = Timing(duration=3600.0, renew_deadline=1800.0, retry=0.2, request=1.0)
    async with connected(server) as kube:
        first, second = build(kube, namespace, "a", slow), build(kube, namespace, "b", slow)
        term = await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await first.release()
        assert await waiting > term
        lease = server.get("lease", "test", "-n", namespace)
        assert lease["spec"]["holderIdentity"] == "b"
        assert int(lease["metadata"]["annotations"]["caisson.dev/term"]) > term


@pytest.mark.asyncio
async def test_terms_rise_even_if_the_lease_is_deleted_in_between(server: ApiServer, namespace: str) -> None:
    async with connected(server) as kube:
        first = build(kube, namespace, "a")
        term = await first.acquire()
        server.kubectl("delete", "lease", "test", "-n", namespace)
        with pytest.raises(LeadershipLost):
            await first._read_own()
        await asyncio.sleep(1)  # terms are at least the Unix time in seconds
        assert await build(kube, namespace, "b").acquire() > term


@pytest.mark.asyncio
async def test_who_finds_another_in_the_lease_has_lost(server: ApiServer, namespace: str) -> None:
    async with connected(server) as kube:
        sleeper = build(kube, namespace, "a")
        await sleeper.acquire()
        await build(kube, namespace, "b").acquire()
        with pytest.raises(LeadershipLost):
            await sleeper.renew_until_lost()


@pytest.mark.asyncio
async def test_a_write_whose_answer_was_lost_costs_nobody_the_lease(server: ApiServer, namespace: str) -> None:
    async with connected(server) as kube:
        first = build(kube, namespace, "a")
        await first.acquire()
        server.kubectl("annotate", "lease", "test", "-n", namespace, "touched=by-another-hand")
        renewing = asyncio.create_task(first.renew_until_lost())
        done, _ = await asyncio.wait({renewing}, timeout=2 * TIMING.duration)
        assert not done
        renewing.cancel()
        record = read_record(server.get("lease", "test", "-n", namespace))
        assert record.holder == "a"


async def hold_up_the_loop(server: ApiServer, namespace: str, renewing: "asyncio.Task[None]") -> str:
    """Whoever holds the Lease once the main loop of the leader "a" has been busy for longer than the Lease lasts."""
    second = start_candidate(server, namespace, "b")
    try:
        time.sleep(3 * TIMING.duration)  # noqa: ASYNC251 - nothing else happens on this loop, which is the point
        return read_record(server.get("lease", "test", "-n", namespace)).holder
    finally:
        renewing.cancel()
        second.kill()
        second.wait()


@pytest.mark.asyncio
async def test_a_busy_main_loop_does_not_cost_the_lead(server: ApiServer, namespace: str) -> None:
    async with LoopThread("lease") as aside, aside.opened(open_kube_api(str(server.kubeconfig))) as kube:
        first = build(kube, namespace, "a")
        await aside.run(first.acquire())
        renewing = asyncio.create_task(aside.run(first.renew_until_lost()))
        await asyncio.sleep(0)
        assert await hold_up_the_loop(server, namespace, renewing) == "a"


@pytest.mark.asyncio
async def test_the_control_that_renews_on_its_main_loop_loses_it(server: ApiServer, namespace: str) -> None:
    async with connected(server) as kube:
        first = build(kube, namespace, "a")
        await first.acquire()
        renewing = asyncio.create_task(first.renew_until_lost())
        assert await hold_up_the_loop(server, namespace, renewing) == "b"


CANDIDATE = """
import asyncio, sys
from caisson_operator.core.leadership import Timing
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.effects.lease import LeaseElector, LeaseName
from caisson_operator.leadership import LeaderDeadline

async def main(namespace, identity):
    timing = Timing(duration=2.0, renew_deadline=1.5, retry=0.2, request=1.0)
    async with open_kube_api(sys.argv[3]) as kube:
        elector = LeaseElector(kube, LeaseName(namespace, "test"), identity, timing, lambda _: None)
        term = await elector.acquire()
        LeaderDeadline(lambda: elector.last_renewed, timing.renew_deadline).start()
        print(term, flush=True)
        await elector.renew_until_lost()

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def start_candidate(server: ApiServer, namespace: str, identity: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CANDIDATE, namespace, identity, str(server.kubeconfig)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")},
    )


def read_term(candidate: "subprocess.Popen[str]") -> int:
    assert candidate.stdout is not None
    return int(candidate.stdout.readline())


def test_a_leader_that_was_stopped_ends_itself_when_it_wakes(server: ApiServer, namespace: str) -> None:
    first = start_candidate(server, namespace, "a")
    second: subprocess.Popen[str] | None = None
    try:
        term = read_term(first)
        first.send_signal(signal.SIGSTOP)
        second = start_candidate(server, namespace, "b")
        assert read_term(second) > term
        first.send_signal(signal.SIGCONT)
        assert first.wait(PATIENCE_SECONDS) == 3
        assert second.poll() is None
    finally:
        for candidate in filter(None, (first, second)):
            candidate.kill()
            candidate.communicate()
