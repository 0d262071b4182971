"""A failover without Patroni: the primary dies, its synchronous standby takes its place and its address."""

import time

from postgres.clusters import Cluster

REPLICATING_SECONDS = 60.0
IN_STEP = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"


def make_synchronous(primary: Cluster, standby: str = "standby") -> None:
    """Every COMMIT on `primary` waits for its standby from now on."""
    with primary.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'".encode())
        connection.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + REPLICATING_SECONDS
        while not connection.execute(IN_STEP).fetchone():
            if time.monotonic() > deadline:
                raise TimeoutError("the standby does not stream")
            time.sleep(0.02)


def take_over(standby: Cluster, primary: Cluster) -> None:
    """Kill `primary` and promote `standby` at its port: whoever holds `primary` then means the new one."""
    primary.kill9()
    standby.stop()
    standby.port = primary.port
    with (standby.data / "postgresql.auto.conf").open("a") as configuration:
        configuration.write(f"port = {primary.port}\nsynchronous_standby_names = ''\n")
    standby.start()
    with standby.connect() as connection:
        connection.execute("SELECT pg_promote()")
