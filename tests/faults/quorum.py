"""Why early expiry refuses under quorum commit: a lead that is ended by hand there, while another standby goes on to confirm.

Three members. The third one's Patroni is cut off from the API server, so that it gives the second its vote and then does not learn
that it leads; the first one is stopped, and its PostgreSQL wakes before its Patroni does. Under quorum commit the third member then confirms what
the first acknowledges. Where one standby is named (`synchronous_mode: on`) nobody does, once that one is promoted: the same fault loses nothing.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from demo.cluster import get, kubectl, wait_for
from e2e.shards import query
from faults.fault import Expected, Fault
from faults.nodes import PodCut, cut_off
from faults.stage import MEMBER, SETTINGS_SECONDS, SHARD, Member, Stage, Standing, read_member

SETTINGS = {"synchronous_mode": "quorum", "synchronous_node_count": 1}
MEMBERS = 3
ACKNOWLEDGING_SECONDS = 15.0  # For how long the first member's PostgreSQL is awake while its Patroni is not.
# The commands that look for a process must not find themselves.
PATRONI = "grep -la 'patroni_membe[r].py' /proc/[0-9]*/cmdline"
POSTGRESQL = "grep -lx postgres /proc/[0-9]*/comm"


@contextmanager
def lead_ended_while_another_confirms(stage: Stage, before: Standing) -> Iterator[None]:
    third, first = find_third(stage, before), before.leader
    with ExitStack() as healed:
        healed.enter_context(cut_off(third.node, PodCut(third.address, stage.control_plane.address)))
        for processes in (PATRONI, POSTGRESQL):
            signal(stage, first, "STOP", processes)
            healed.callback(signal, stage, first, "CONT", processes)
        end_lead(stage, first)
        yield
        signal(stage, first, "CONT", POSTGRESQL)
        time.sleep(ACKNOWLEDGING_SECONDS)


@contextmanager
def quorum_commit(stage: Stage) -> Iterator[None]:
    """Once both standbys vote, and either one's confirmation is enough. The operator is away meanwhile."""
    with stage.patroni_settings(SETTINGS):
        wait_for("two standbys of quorum commit", lambda: is_quorum(stage), SETTINGS_SECONDS, stage.database.explain)
        yield


def is_quorum(stage: Stage) -> bool:
    names = query(stage.database, SHARD, "SHOW synchronous_standby_names")[0][0]
    return stage.sync_record().get("quorum") == "1" and names.startswith("ANY 1 ") and names.count(",") == 1


def find_third(stage: Stage, before: Standing) -> Member:
    members = map(read_member, stage.member_pods())
    (third,) = (member for member in members if member.pod not in (before.leader.pod, before.standby.pod))
    return third


def signal(stage: Stage, member: Member, name: str, processes: str) -> None:
    command = f"kill -{name} $({processes} | cut -d/ -f3)"
    kubectl("exec", member.pod, "--container", MEMBER, "--", "bash", "-c", command, namespace=stage.namespace)


def end_lead(stage: Stage, first: Member) -> None:
    """As the agent does it: the touch of the record of standbys first, both by compare-and-set. In the guarded play it may be quicker."""
    leader = f"{stage.database.name}-{SHARD}"
    touched: dict[str, str | None] = {"caisson.dev/early-expiry": "by hand"}
    for endpoints, change in ((f"{leader}-sync", touched), (leader, {"leader": None})):
        found = get("endpoints", endpoints, stage.namespace)
        assert found is not None, endpoints
        if found["metadata"]["annotations"].get("leader") != first.pod:
            return
        version = found["metadata"]["resourceVersion"]
        patch = json.dumps({"metadata": {"resourceVersion": version, "annotations": change}})
        kubectl("patch", "endpoints", endpoints, "--type=merge", "--patch", patch, namespace=stage.namespace)


GUARDED = Fault("lead_ended_while_another_confirms", lead_ended_while_another_confirms, Expected.MOVES)
CONTROL = Fault("quorum", lead_ended_while_another_confirms, Expected.MOVES)
