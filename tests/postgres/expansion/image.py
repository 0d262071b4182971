"""A new shard's roles and database as the image makes them: workloads/postgres/bootstrap.sql itself, on a local cluster."""

import subprocess
from pathlib import Path

from caisson_operator.core.layout import MEMBER_ROLES
from postgres.clusters import BINARIES, Cluster

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "workloads/postgres/bootstrap.sql"


def bootstrap(cluster: Cluster, folder: Path) -> None:
    """In the place of what the template of local clusters has."""
    for name in ("owner", "app"):
        (folder / name).write_text(f"pw-{name}")
    script = folder / "bootstrap.sql"
    script.write_text(SCRIPT.read_text().replace("/etc/caisson/credentials", str(folder)))
    with cluster.connect(dbname="postgres") as connection:
        connection.execute("DROP DATABASE app")
        for role in ("caisson_owner", "caisson_app", *MEMBER_ROLES):
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
    command = (BINARIES / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", cluster.dsn("postgres"), "-f", script)
    subprocess.run([str(each) for each in command], check=True)
