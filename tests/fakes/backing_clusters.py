"""Clusters as a test needs them: what is wanted, and what is seen once all of it is there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from caisson_operator.api.resource import load_backing_cluster
from caisson_operator.backing_cluster.manifests import Names, Passwords, build_objects, find_template
from caisson_operator.backing_cluster.observed import Epoch, Observed, Pod, RedisView, ZooKeeperView
from caisson_operator.backing_cluster.provisioning import build_shape
from caisson_operator.backing_cluster.wanted import Wanted, read_wanted
from caisson_operator.core.certificates import Authority, ServerCertificate
from caisson_operator.core.content import content_of, identity_of
from caisson_operator.core.images import Images

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IMAGES = Images(postgres="postgres:1", redis="redis:1", zookeeper="zookeeper:1", ids="ids:1")
PASSWORDS = Passwords("app/pass", "admin-pass")
AUTHORITY = Authority("-----BEGIN CERTIFICATE-----", "c0ffee")
CERTIFICATE = ServerCertificate(
    frozenset(Names("cache", "demo").served), NOW, NOW + timedelta(days=90), AUTHORITY.key_id
)


def want(type: str = "redis", images: Images = IMAGES, **spec: Any) -> Wanted:
    metadata = {"name": "cache", "namespace": "demo", "uid": "uid-1"}
    manifest = {"metadata": metadata, "spec": {"type": type, "storage": {"size": "1Gi"}, **spec}}
    return read_wanted(load_backing_cluster(manifest), images)


def pods(wanted: Wanted, count: int | None = None) -> tuple[Pod, ...]:
    template = find_template(wanted)
    ordinals = range(wanted.members if count is None else count)
    return tuple(Pod(f"cache-{n}", n, f"uid-{n}", f"10.0.0.{n}", template, True, False) for n in ordinals)


def apply_all(wanted: Wanted, observed: Observed) -> Observed:
    """As if every object were applied as it is wanted now."""
    built = build_objects(wanted, PASSWORDS, build_shape(wanted, observed))
    contents = {identity_of(manifest): content_of(manifest) for manifest in built}
    (replicas,) = (manifest["spec"]["replicas"] for manifest in built if manifest["kind"] == "StatefulSet")
    return replace(observed, contents=contents, replicas=replicas)


def settled_redis(wanted: Wanted, leader: int = 0, **changes: Any) -> Observed:
    def view(ordinal: int) -> RedisView:
        is_primary = ordinal == leader or not wanted.is_replicated
        least = wanted.members // 2 if wanted.is_replicated else 0
        others = wanted.members - 1
        sentinel = ("cache-0", wanted.majority, others, others) if wanted.is_replicated else (None, 0, 0, 0)
        return RedisView(is_primary, not is_primary, 5 if is_primary else 0, least, others, 100, *sentinel)

    found = pods(wanted)
    seen = Observed(
        now=NOW,
        passwords=PASSWORDS,
        authority=AUTHORITY,
        certificate=CERTIFICATE,
        epoch=Epoch(5, f"cache-{leader}"),
        has_leading=True,
        pods=found,
        redis={pod.name: view(pod.ordinal) for pod in found},
        status={"lastLeader": f"cache-{leader}", "leader": f"cache-{leader}", "epoch": 5},
    )
    return replace(apply_all(wanted, seen), **changes)


def zookeeper_view(mode: str, *participants: int, version: int = 7) -> ZooKeeperView:
    return ZooKeeperView(mode, tuple((number, "participant") for number in participants), version, NOW)


def settled_zookeeper(wanted: Wanted, leader: int = 0, **changes: Any) -> Observed:
    found = pods(wanted)
    numbers = tuple(pod.ordinal + 1 for pod in found)
    views = {pod.name: zookeeper_view("leader" if pod.ordinal == leader else "follower", *numbers) for pod in found}
    seen = Observed(
        now=NOW,
        passwords=PASSWORDS,
        authority=AUTHORITY,
        certificate=CERTIFICATE,
        is_formed=True,
        pods=found,
        zookeeper=views,
        status={"lastLeader": f"cache-{leader}", "leader": f"cache-{leader}"},
    )
    return replace(apply_all(wanted, seen), **changes)
