"""A shard that is made otherwise: on disks that can be full; with settings under which rows must be lost; and with a Patroni
that nobody has told anything. Also the faults that need their members made otherwise.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from demo.cluster import CommandFailedError
from e2e.shards import query
from faults import clocks
from faults.disks import SIZE, STORAGE_CLASS, filled, small_disks
from faults.fault import Expected, Fault
from faults.nodes import nodes
from faults.stage import AGENT, DEFAULTS, SHARD, Stage, Standing, set_up
from faults.table import FAULTS

BY_NAME = {fault.name: fault for fault in FAULTS}
# The plain writer goes on at the old primary, which acknowledges to it until it steps down.
ASYNCHRONOUS = replace(BY_NAME["node_cut_off"], durability="asynchronous")
DEFAULT_FAULTS = ("node_killed", "stopped")

SEGMENTS = 40


@contextmanager
def disk_full(stage: Stage, before: Standing) -> Iterator[None]:
    """Full to the last byte, and no segment of the log is left that was kept for use again: PostgreSQL ends itself."""
    with filled(before.leader.node):
        for _ in range(SEGMENTS):
            try:
                query(stage.database, SHARD, "SELECT pg_switch_wal()")
            except CommandFailedError:
                break
        yield


DISK_FULL = Fault("disk_full", disk_full, Expected.MOVES, may_fail=True)
# On a stage that `clocks.prepare` has made ready, which restarts both members.
CLOCK_FAULTS = (
    Fault("clock_of_primary_off", clocks.primary_an_hour_ahead, Expected.STAYS, watch_seconds=25),
    Fault("clock_of_standby_off", clocks.standby_an_hour_behind_and_primary_stopped, Expected.MOVES),
)


@contextmanager
def stage_on_small_disks(namespace: str, image: str) -> Iterator[Stage]:
    """The namespace is to be gone before the end."""
    with small_disks(nodes()):
        yield set_up(namespace, image, storage={"size": SIZE, "storageClassName": STORAGE_CLASS})


def without_agents(fault: Fault) -> Fault:
    """The same where nobody ends a silent leader's lead before its ttl."""

    @contextmanager
    def happen(stage: Stage, before: Standing) -> Iterator[None]:
        members = (before.leader, before.standby)
        for member in members:
            stage.signal(member, "STOP", (AGENT,))
        try:
            with fault.happen(stage, before):
                yield
        finally:
            for member in members:
                with suppress(CommandFailedError):  # Where the node was killed, another agent runs already, or soon.
                    stage.signal(member, "CONT", (AGENT,))

    return replace(fault, happen=happen)


@contextmanager
def default_patroni(stage: Stage) -> Iterator[list[Fault]]:
    """Patroni's own defaults for the shard, the operator away; the faults to be done meanwhile."""
    with stage.patroni_settings(DEFAULTS):
        stage.steady(is_synchronous=False)
        yield [without_agents(BY_NAME[name]) for name in DEFAULT_FAULTS]
