"""Composition root: the only reader of the environment and of the clock. `python3 -m epoch_agent`, beside the server.

It speaks to its server through a socket in the pod's memory, and so needs no TLS.
"""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from redis_member.follow_certificate import follow
from redis_member.member import REDIS_PORT, SOCKET, Member, read_member
from redis_member.resp import Connection

from .agent import Agent
from .kube import Kube
from .records import Records


def build_agent(environment: Mapping[str, str], member: Member) -> Agent:
    records = Records(
        kube=Kube.in_cluster(environment),
        cluster=member.cluster,
        member=member.name,
        address=environment["CAISSON_POD_IP"],
        now=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    return Agent(
        connect=lambda: Connection(SOCKET, member.admin_password),
        records=records,
        sleep=time.sleep,
        port=REDIS_PORT,
        leads_clients=member.is_replicated,
    )


if __name__ == "__main__":
    found = read_member(os.environ)
    follow(found)
    build_agent(os.environ, found).run()
