"""Patroni, with ten of its habits changed, most of them as to what it keeps in Kubernetes; the main process of the container.

    patroni_member.py CONFIGURATION

**Positions.** Under load a member's WAL position changes all the time, and Patroni writes it into its pod in every loop:
a write a second of an object that the kubelet syncs and half of Kubernetes watches. No decision rests on it, since
elections and synchronous replication ask the members themselves. So a change of positions alone is written only
every POSITION_SECONDS.

**The leader.** In etcd a member's record lives as long as its lead. In Kubernetes it is its pod, which a deletion with
grace 0 takes away while PostgreSQL still runs; the standby then found no address to stream from and let go, was taken out
of `<scope>-sync` by the primary that was about to die, and nobody could lead until that came back. Here a leader is remembered
for as long as its lead lasts.

**The own lead.** A primary that was cut off from the API server (failsafe mode keeps it going) finds its own record unchanged for
longer than ttl when it comes back, and took the lead anew with the version that it knew. A renewal of its own that had arrived late made
that fail, and it demoted itself. Here a record that still names a running primary is its own: it renews it, which looks at the
record again where the version has changed, and demotes itself only where another leads, or nobody.

**The late answer.** A renewal that arrived, and whose answer came too late, makes the next one a conflict. Where no time is left to look whose
record it is, Patroni demotes the primary: so it did to one that had gone on through an outage of the API server, when that came back slowly.
Here such a renewal is one that was not answered: the primary goes on if every other member bears with it (failsafe mode; one that leads by
then does not), and demotes itself if not.

**Routing.** Who gives up the lead takes its address out of the Service, and its successor puts in its own a tenth of a second later.
kube-proxy takes the first change up at once and then gathers for a second, so the second one, which counts, came a second late.
Here the address stays until the successor's takes its place.

**The stop.** In a switchover Patroni looks once a second whether the old primary has shut down, which it does in a tenth of that, and then
gives its standbys another second to catch up. Nobody leads meanwhile, and a server that shuts down has sent them everything before
it says that it has. Here it looks every STOP_POLLING_SECONDS and gives as much; what it asks the standbys then is as before.

**Time.** A clock that somebody sets stops Patroni's cycle or makes it let go of a lead. Here it measures by the monotonic clock (steady_time.py).

**The record of the synchronous standby.** It decides who leads and what PostgreSQL waits for, both more strictly (sync_record.py).

**Connecting.** A standby that was cut off from its primary tries again soon, instead of ever more seldom (quick_reconnects.py).

What its REST API takes and sends follows the mounted Secret (mounted_secret.py, restapi_passwords.py), and so does as whom it comes to other members (role_logins.py). Beside it runs, as a thread, what has a renewed certificate taken up (follow_certificate.py).
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

POSITIONS = frozenset({"xlog_location", "receive_lsn", "replay_lsn"})
POSITION_SECONDS = 10.0
# Patroni looks at a record again only if it has as much left of its retry_timeout.
LOOK_SECONDS = 1.0
STOP_POLLING_SECONDS = 0.05
LABELS = "pod_labels"  # Patroni's cache keeps them among what a member has written of itself

Data = Mapping[str, Any]


def keep_positions(fresh: Data, written: Data) -> dict[str, Any]:
    """`fresh`, with the positions that are `written` already if nothing else has changed: then nothing is to be written."""
    known = {key: value for key, value in written.items() if key != LABELS}
    others = {key: value for key, value in fresh.items() if key not in POSITIONS}
    is_same = fresh.keys() == known.keys() and all(known[key] == value for key, value in others.items())
    return known if is_same else dict(fresh)


class Positions:
    """When this process has last let its positions through."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._written_at: float | None = None

    def to_write(self, fresh: Data, written: Data) -> dict[str, Any]:
        now = self._clock()
        if self._written_at is not None and now - self._written_at < POSITION_SECONDS:
            return keep_positions(fresh, written)
        self._written_at = now
        return dict(fresh)


def led_by(cluster: Any, member: Any) -> Any:
    """Patroni's Cluster with another leader. Its own `_replace` fails: it counts fields by a length that says something else."""
    leader = cluster.leader._replace(member=member)
    return type(cluster)(*(leader if name == "leader" else getattr(cluster, name) for name in cluster._fields))


class LastLeader:
    """The leader as its pod told last."""

    def __init__(self) -> None:
        self._member: Any = None

    def complete(self, cluster: Any) -> Any:
        """Patroni's Cluster, with the member that leads filled in where its pod is gone."""
        leader = cluster.leader
        if leader is None or not leader.name:
            return cluster
        if any(member.name == leader.name for member in cluster.members):
            self._member = leader.member if leader.member.data.get("conn_url") else self._member
            return cluster
        if self._member is None or self._member.name != leader.name:
            return cluster
        return led_by(cluster, self._member)


class OwnLead:
    """Whether this member runs as a primary, by what it told last; the record alone does not make it one."""

    def __init__(self) -> None:
        self._is_primary = False

    def note(self, data: Data) -> None:
        self._is_primary = (data.get("role"), data.get("state")) == ("primary", "running")

    def complete(self, cluster: Any, record: Data, name: str) -> Any:
        """Patroni's Cluster, with this member as the leader where only the age of its own record speaks against it."""
        has_run_out = cluster.leader is not None and not cluster.leader.name
        if not (self._is_primary and has_run_out and record.get("leader") == name):
            return cluster
        own = [member for member in cluster.members if member.name == name] or [
            cluster.leader.member._replace(name=name)
        ]
        return led_by(cluster, own[0])


def change_habits(store: Any, unanswered: type[Exception], clock: Callable[[], float] = time.monotonic) -> None:
    """`store` is Patroni's class Kubernetes, `unanswered` what it raises where the API server does not answer.

    By method, since it names itself in its own calls of super().
    """
    touch_member, read_cluster, map_subsets = store.touch_member, store._cluster_from_nodes, store._map_subsets
    renew_lead = store._update_leader_with_retry
    positions, last_leader, own_lead = Positions(clock), LastLeader(), OwnLead()

    def touch(self: Any, data: dict[str, Any]) -> Any:
        own_lead.note(data)
        member = self.cluster and self.cluster.get_member(self._name, fallback_to_leader=False)
        return touch_member(self, positions.to_write(data, member.data if member else {}))

    def read(self: Any, group: str, nodes: Any, pods: Any) -> Any:
        cluster = last_leader.complete(read_cluster(self, group, nodes, pods))
        return own_lead.complete(cluster, read_annotations(nodes.get(self.leader_path)), self._name)

    def route(self: Any, endpoints: dict[str, Any], addresses: list[str]) -> None:
        if addresses:  # none: who gives up the lead would empty it
            map_subsets(self, endpoints, addresses)

    def renew(self: Any, *record: Any) -> bool:
        began = clock()
        is_renewed = renew_lead(self, *record)
        if not is_renewed and clock() - began > self._retry.deadline - LOOK_SECONDS:
            raise unanswered("the lead's renewal met another version, and no time was left to look whose it is")
        return bool(is_renewed)

    store.touch_member, store._cluster_from_nodes, store._map_subsets = touch, read, route
    store._update_leader_with_retry = renew


def read_annotations(node: Any) -> Data:
    return (node and node.metadata.annotations) or {}


class ShortRests:
    """Python's `time` for Patroni's module `ha`, which rests briefly in what it does once a server has shut down."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def sleep(self, seconds: float) -> None:
        is_of_stop = sys._getframe(1).f_code.co_name == "on_shutdown"
        self._sleep(min(seconds, STOP_POLLING_SECONDS) if is_of_stop else seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def watch_stops(postgresql: Any, ha: Any) -> None:
    """Both are Patroni's modules of that name. Raises AttributeError where they have no such interval, or no clock, any more."""
    postgresql.STOP_POLLING_INTERVAL, ha.time.sleep  # noqa: B018
    postgresql.STOP_POLLING_INTERVAL, ha.time = STOP_POLLING_SECONDS, ShortRests()


if __name__ == "__main__":
    from patroni import postgresql  # before `ha`, which imports it in a circle
    from patroni import __main__, api, dcs, ha, request, utils  # isort: skip
    from patroni.dcs import kubernetes
    from patroni.postgresql.config import ConfigHandler

    from follow_certificate import follow
    from member import RUN, write_private
    from mounted_secret import CREDENTIALS, follow_mount
    from quick_reconnects import reconnect_quickly
    from restapi_passwords import RestapiPasswords, go_by
    from role_logins import RoleLogins, log_in_by
    from steady_time import begin_steadily, measure_steadily
    from sync_record import lead_only_if_named, tell_writes_apart, write_before_setting

    change_habits(kubernetes.Kubernetes, kubernetes.KubernetesError)
    tell_writes_apart(kubernetes.Kubernetes)
    write_before_setting(ha.Ha)
    lead_only_if_named(ha.Ha)
    passwords = RestapiPasswords(RUN / "patroni.yml", write_private)
    logins = RoleLogins(RUN / "passfile", write_private)
    go_by(passwords, api.RestApiServer, request.PatroniRequest)
    log_in_by(logins, ConfigHandler)
    reconnect_quickly(ConfigHandler)
    follow_mount(CREDENTIALS, kubernetes.Kubernetes, passwords, logins)
    watch_stops(postgresql, ha)
    measuring = (__main__, api, dcs, ha, kubernetes, postgresql, utils)
    measure_steadily(measuring, kubernetes.Kubernetes, begin_steadily())
    follow()
    __main__.main()
