"""Members whose wall clock can be put off: a library before PostgreSQL and Patroni, which reads by how much from a file (wall_clock.c)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.cluster import kubectl, run, wait_for
from faults.stage import MEMBER, SHARD, Member, Stage, Standing

BUILD = Path(__file__).with_name("wall_clock")
VOLUME = "/var/lib/caisson"
LIBRARY, OFFSET = f"{VOLUME}/wall_clock.so", f"{VOLUME}/clock-is-off-by"
ENVIRONMENT = {"LD_PRELOAD": LIBRARY, "WALL_CLOCK_FILE": OFFSET}
HOUR_SECONDS = 3600
RESTART_SECONDS = 180


def prepare(stage: Stage) -> None:
    """Every member with the library, and every clock right. Fields of other hands survive the operator's applies."""
    library = run(BUILD).strip()
    standing = stage.steady()
    for member in (standing.leader, standing.standby):
        put(stage, member, 0)
        destination = f"{stage.namespace}/{member.pod}:{LIBRARY}"
        kubectl("cp", library, destination, "--container", MEMBER)
    environment = [{"name": name, "value": value} for name, value in ENVIRONMENT.items()]
    container = {"name": MEMBER, "env": environment}
    patch = json.dumps({"spec": {"template": {"spec": {"containers": [container]}}}})
    kubectl("patch", "statefulset", f"{stage.database.name}-{SHARD}", "--patch", patch, namespace=stage.namespace)
    for pod in (standing.standby.pod, standing.leader.pod):
        restart(stage, pod)


def restart(stage: Stage, pod: str) -> None:
    """As it is now made, if nobody has done that yet."""
    if has_library(stage, pod):
        return
    kubectl("delete", "pod", pod, "--ignore-not-found", namespace=stage.namespace)
    wait_for(f"{pod} with another clock", lambda: has_library(stage, pod), RESTART_SECONDS, stage.database.explain)
    stage.steady()


def has_library(stage: Stage, pod: str) -> bool:
    path = "jsonpath={.spec.containers[*].env[*].name}"
    names = kubectl("get", "pod", pod, "--ignore-not-found", "-o", path, namespace=stage.namespace)
    return "LD_PRELOAD" in names.split()


def put(stage: Stage, member: Member, seconds: int) -> None:
    words = ("bash", "-c", f"echo {seconds} > {OFFSET}")
    kubectl("exec", member.pod, "--container", MEMBER, "--", *words, namespace=stage.namespace)


@contextmanager
def off(stage: Stage, member: Member, seconds: int) -> Iterator[None]:
    put(stage, member, seconds)
    try:
        yield
    finally:
        put(stage, member, 0)


@contextmanager
def primary_an_hour_ahead(stage: Stage, before: Standing) -> Iterator[None]:
    with off(stage, before.leader, HOUR_SECONDS):
        yield


@contextmanager
def standby_an_hour_behind_and_primary_stopped(stage: Stage, before: Standing) -> Iterator[None]:
    with off(stage, before.standby, -HOUR_SECONDS):
        stage.signal(before.leader, "STOP")
        try:
            yield
        finally:
            stage.signal(before.leader, "CONT")
