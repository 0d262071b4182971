"""Patroni's own handling of a standby, without its store: what its loop does about whom the standby streams from, and as whom.

    patroni_standby.py CONFIGURATION MOUNT PASSFILE PRIMARY_URL

Runs as the owner of the data directory, since it writes there. Ends where Patroni would restart PostgreSQL.
"""

import sys
import time
from pathlib import Path
from typing import Any

import yaml
from patroni.dcs import Member
from patroni.postgresql import Postgresql
from patroni.postgresql.callback_executor import CallbackAction
from patroni.postgresql.config import ConfigHandler
from patroni.postgresql.mpp import get_mpp

from member import write_private
from mounted_secret import follow_mount
from role_logins import RoleLogins, log_in_by

ROUND_SECONDS = 0.1


class Store:
    """As Patroni's class Kubernetes, which what a member tells goes through."""

    def touch_member(self, data: dict[str, Any]) -> bool:
        print("told", data["role_rotations"], flush=True)
        return True


def main(configuration: Path, folder: Path, passfile: Path, primary: str) -> None:
    logins = RoleLogins(passfile, write_private)
    log_in_by(logins, ConfigHandler)
    follow_mount(folder, Store, logins)
    postgresql = Postgresql(yaml.safe_load(configuration.read_text()), get_mpp({}))
    postgresql.call_nowait(CallbackAction.ON_START)  # As where it has started it: until then it reloads in each round.
    leader = Member.from_node(1, "s0-0", "", f'{{"conn_url": "{primary}"}}')
    while True:
        Store().touch_member({})
        must_change, must_restart = postgresql.config.check_recovery_conf(leader)
        if must_restart:
            sys.exit("Patroni would restart PostgreSQL")
        if must_change:
            postgresql.follow(leader, do_reload=True)
        time.sleep(ROUND_SECONDS)


if __name__ == "__main__":
    configuration, folder, passfile, primary = sys.argv[1:]
    main(Path(configuration), Path(folder), Path(passfile), primary)
