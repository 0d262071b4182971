"""A fence whose COMMIT waits for its standby, and whose holder dies there: visible on the source, but not safe yet.

A failover would take it back, so the target must not open before the standby has it: there would be two owners.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postgres.clusters import Cluster, running_standby
from postgres.expansion.leftovers import find_owners, must_be_settled
from postgres.expansion.load import running_load
from postgres.expansion.mover import running_mover
from postgres.expansion.promotion import make_synchronous
from postgres.expansion.stage import Stage

PATIENCE_SECONDS = 60.0
WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = %s"


@contextmanager
def hung(cluster: Cluster) -> Iterator[None]:
    """Every process of it is stopped: nothing is acknowledged any more."""
    pid = cluster.postmaster_pid
    family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    for each in family:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in family:
            os.kill(each, signal.SIGCONT)


async def wait_for_standby_wait(cluster: Cluster, session: str) -> None:
    """Until a COMMIT of that session has been done locally and waits for the standby."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with cluster.connect() as connection:
        while not connection.execute(WAITING, (session,)).fetchone():
            assert time.monotonic() < deadline, f"no COMMIT of {session} waits for the standby"
            await asyncio.sleep(0.02)


def test_the_target_opens_only_once_the_standby_has_the_fence(stage: Stage) -> None:
    with running_standby(stage.source) as standby:
        make_synchronous(stage.source)
        with running_load(stage.clusters, stage.binding) as load:
            with running_mover(stage.clusters, {}, 2, "after durable write") as mover:
                mover.wait_until_stopped()
                with hung(standby):
                    mover.go_on()
                    asyncio.run(wait_for_standby_wait(stage.source, "caisson-fence/2"))
                    mover.kill9()
                    claimed = asyncio.run(follow(stage))
            assert claimed == set(), "the target opened on the word of a COMMIT that a failover may take back"
            stage.expand(term=4, survives_faults=True)
            load.wait_for_writes(60)
            findings = load.check()
    assert findings.is_clean, findings
    must_be_settled(stage.clusters)


async def follow(stage: Stage) -> set[tuple[str, int]]:
    """The next leader finds the fence committed, and waits. Returns the buckets that the target claims meanwhile."""
    operator = stage.operator(3, survives_faults=True)
    task = asyncio.create_task(operator.run())
    try:
        await wait_for_standby_wait(stage.source, "caisson-operator/3")
        return {bucket for bucket, owners in find_owners(stage.clusters).items() if "s1" in owners}
    finally:
        task.cancel()
        await asyncio.wait([task])
        await operator.close()
