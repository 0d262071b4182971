"""The slots of initial copies at the end of an expansion: what ours left behind goes, what others need stays."""

from postgres.clusters import Cluster
from postgres.expansion.leftovers import LEFTOVERS
from postgres.expansion.stage import Stage

NOBODY = 4_000_000_000  # no subscription has this oid
ELSEWHERE = 7_000_000_000_000_000_001  # another server's system identifier
SYSTEM = "SELECT system_identifier FROM pg_control_system()"
SUBSCRIPTION = "CREATE SUBSCRIPTION theirs CONNECTION 'host=127.0.0.1' PUBLICATION theirs WITH (connect = false)"


def ask(cluster: Cluster, text: str) -> int:
    with cluster.connect() as connection:
        row = connection.execute(text.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_slots_of_other_subscriptions_stay_and_those_of_ours_that_are_gone_are_dropped(stage: Stage) -> None:
    with stage.target.connect() as connection:
        connection.execute(SUBSCRIPTION)
    own = ask(stage.target, SYSTEM)
    theirs = ask(stage.target, "SELECT oid FROM pg_subscription WHERE subname = 'theirs'")
    left_behind = f"pg_{NOBODY}_sync_1_{own}"
    needed = {f"pg_{theirs}_sync_1_{own}", f"pg_{NOBODY}_sync_1_{ELSEWHERE}"}
    with stage.source.connect() as connection:
        for name in (left_behind, *needed):
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))
    stage.expand()
    with stage.source.connect() as connection:
        assert {name for (name,) in connection.execute(LEFTOVERS["slot"].encode())} == needed
