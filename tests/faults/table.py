"""The faults, each with what must come of it."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from demo.cluster import kubectl, wait_for
from faults import operators
from faults.fault import Expected, Fault, Said
from faults.nodes import Cut, api_server_stopped, cut_off, kill_container, killed
from faults.stage import MEMBER, SHARD, Member, Stage, Standing

OUTAGE_SECONDS = 60.0
KILLED_AT_SECONDS = 15.0
PROMOTED_SECONDS = 120.0
DATA = "/var/lib/caisson/pgdata"


@contextmanager
def postgres_killed(stage: Stage, before: Standing) -> Iterator[None]:
    command = f"kill -9 $(head -1 {DATA}/postmaster.pid)"
    kubectl("exec", before.leader.pod, "--container", MEMBER, "--", "bash", "-c", command, namespace=stage.namespace)
    yield


@contextmanager
def pod_killed(stage: Stage, before: Standing) -> Iterator[None]:
    stage.database.kill(before.primary)
    yield


@contextmanager
def stopped(stage: Stage, before: Standing) -> Iterator[None]:
    """PostgreSQL, Patroni and the agent; the kernel goes on to take connections."""
    stage.signal(before.leader, "STOP")
    try:
        yield
    finally:
        stage.signal(before.leader, "CONT")


def node_killed(stage: Stage, before: Standing) -> AbstractContextManager[None]:
    return killed(before.leader.node)


def node_cut_off(stage: Stage, before: Standing) -> AbstractContextManager[None]:
    return cut_off(before.leader.node, Cut())


def cut_off_from_api_server(stage: Stage, before: Standing) -> AbstractContextManager[None]:
    return cut_off(before.leader.node, Cut(stage.control_plane.address))


def cut_off_from_peers(stage: Stage, before: Standing) -> AbstractContextManager[None]:
    return cut_off(before.leader.node, Cut(stage.node(before.standby.node).pods))


@contextmanager
def api_server_away(stage: Stage, before: Standing) -> Iterator[None]:
    with api_server_stopped(stage.control_plane.name):
        time.sleep(OUTAGE_SECONDS)
    yield
    stage.wait_ready()


@contextmanager
def api_server_away_and_primary_killed(stage: Stage, before: Standing) -> Iterator[None]:
    with api_server_stopped(stage.control_plane.name):
        time.sleep(KILLED_AT_SECONDS)
        kill_container(before.leader.node, before.leader.containers[MEMBER])
        time.sleep(OUTAGE_SECONDS - KILLED_AT_SECONDS)
    yield
    stage.wait_ready()


@contextmanager
def operator_killed(stage: Stage, before: Standing) -> Iterator[None]:
    with operators.takeover(operators.kill):
        yield


@contextmanager
def operator_stopped(stage: Stage, before: Standing) -> Iterator[None]:
    with operators.takeover(operators.stop):
        yield


@contextmanager
def operator_and_primary_killed(stage: Stage, before: Standing) -> Iterator[None]:
    with operators.takeover(operators.kill):
        stage.database.kill(before.primary)
        yield


@contextmanager
def two_in_a_row(stage: Stage, before: Standing) -> Iterator[None]:
    """The second as soon as there is anybody to take over."""
    stage.database.kill(before.primary)
    stage.database.wait_primary(SHARD, PROMOTED_SECONDS, lambda seen: seen.timeline > before.primary.timeline)
    stage.database.kill(stage.steady().primary)
    yield


@contextmanager
def switchover(stage: Stage, before: Standing) -> Iterator[None]:
    request = f"{SHARD}/any/r{time.time():.0f}"
    annotation = f"caisson.dev/switchover={request}"
    kubectl("annotate", "sdb", stage.database.name, "--overwrite", annotation, namespace=stage.namespace)
    yield


@contextmanager
def given_up(stage: Stage, standby: Member) -> Iterator[None]:
    """The standby hangs, and goes on with less than what is acknowledged meanwhile."""
    stage.signal(standby, "STOP")
    try:
        wait_for("the standby to be given up", lambda: not stage.sync_record().get("sync_standby"), 60)
        yield
    finally:
        stage.signal(standby, "CONT")


@contextmanager
def standby_then_primary(stage: Stage, before: Standing) -> Iterator[None]:
    """The primary is away by the time the standby comes back."""
    with given_up(stage, before.standby):
        stage.signal(before.leader, "STOP")
    try:
        yield
    finally:
        stage.signal(before.leader, "CONT")


ALONE = Said("Unprotected", "True", "NoSynchronousStandby")
WAITING = Said("Unprotected", "False", "WritesWait")
BLOCKED = Said("FailoverBlocked", "True", "NoCandidate")

FAULTS = (
    Fault("pod_killed", pod_killed, Expected.MOVES, same_may_lead=True),
    Fault("stopped", stopped, Expected.MOVES),
    Fault("postgres_killed", postgres_killed, Expected.MOVES),
    Fault("switchover", switchover, Expected.MOVES),
    Fault("node_cut_off", node_cut_off, Expected.MOVES),
    Fault("cut_off_from_api_server", cut_off_from_api_server, Expected.STAYS, watch_seconds=25),
    Fault(
        "cut_off_from_peers", cut_off_from_peers, Expected.STAYS, watch_seconds=15, says=ALONE, sees_primary=True,
        may_restart=True,
    ),
    Fault("standby_then_primary", standby_then_primary, Expected.BLOCKS, watch_seconds=25, says=BLOCKED, may_fail=True),
    Fault(
        "standby_then_primary_strict", standby_then_primary, Expected.BLOCKS, "strict", watch_seconds=25, says=BLOCKED,
        may_fail=True,
    ),
    Fault(
        "cut_off_from_peers_strict", cut_off_from_peers, Expected.WAITS, "strict", watch_seconds=15, says=WAITING,
        sees_primary=True,
    ),
    Fault("two_in_a_row", two_in_a_row, Expected.MOVES, promotions=2, same_may_lead=True),
    Fault("operator_killed", operator_killed, Expected.STAYS, watch_seconds=3),
    Fault("operator_stopped", operator_stopped, Expected.STAYS, watch_seconds=3),
    Fault("operator_and_primary_killed", operator_and_primary_killed, Expected.MOVES, same_may_lead=True),
    Fault("node_killed", node_killed, Expected.MOVES, may_lose_plain=True),
    Fault("api_server_away", api_server_away, Expected.STAYS, watch_seconds=10),
    Fault(
        "api_server_away_and_primary_killed", api_server_away_and_primary_killed, Expected.MOVES, same_may_lead=True,
        may_fail=True,
    ),
)  # fmt: skip
