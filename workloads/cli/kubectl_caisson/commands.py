"""Each command from its arguments to its effect: reads, asks the pure modules, tells. No decision is made here."""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from . import backing, expand, ids, lock, switchover
from .failovers import render_failovers
from .fetching import fetch
from .kube import Kube, Manifest, database_path
from .report.bundle import Bundle, write_archive
from .report.collecting import Wish, collect
from .resource import read_database
from .status import DATABASE, build_document, render_all


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command may use of the world. `tell` is for the answer, `note` for what is said on the way to it."""

    kube: Kube
    namespace: str
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    pause: Callable[[float], None]
    draw_id: Callable[[], str]
    tell: Callable[[str], None]
    note: Callable[[str], None]
    versions: Mapping[str, str]


def run(options: argparse.Namespace, world: Surroundings) -> None:
    """Raises CliError where the answer is no."""
    match options.command:
        case "status":
            _status(options, world)
        case "backing":
            _backing(options, world)
        case "failovers":
            _failovers(options, world)
        case "switchover":
            _switchover(options, world)
        case "expand":
            _expand(options, world)
        case "lock":
            _lock(options, world)
        case "report":
            _report(options, world)
        case "id":
            _decode(options, world)


def needs_cluster(options: argparse.Namespace) -> bool:
    """Whether there is anything to ask the API server for."""
    return bool(options.command != "id" or options.resource)


def _status(options: argparse.Namespace, world: Surroundings) -> None:
    manifests = fetch(world.kube, DATABASE, world.namespace, options.name)
    is_json = options.output == "json"
    world.tell(_as_json(build_document(manifests)) if is_json else render_all(manifests, world.now()))


def _backing(options: argparse.Namespace, world: Surroundings) -> None:
    found = fetch(world.kube, backing.BACKING_CLUSTER, world.namespace, options.name)
    is_json = options.output == "json"
    world.tell(_as_json([_pick(each) for each in found]) if is_json else backing.render_clusters(found, world.now()))


def _failovers(options: argparse.Namespace, world: Surroundings) -> None:
    manifest = _read(options, world)
    is_json = options.output == "json"
    history = (manifest.get("status") or {}).get("failovers", [])
    world.tell(_as_json(history) if is_json else render_failovers(read_database(manifest)))


def _switchover(options: argparse.Namespace, world: Surroundings) -> None:
    request = switchover.Request(world.namespace, options.name, options.shard, options.to, world.draw_id())
    switchover.ask(world.kube, request)
    if options.no_wait:
        world.tell(f"asked for {request.text}. See: kubectl caisson status {options.name} -n {world.namespace}")
        return
    patience = switchover.Patience(options.timeout, world.monotonic, world.pause)
    world.tell(switchover.follow(world.kube, request, patience, world.note))


def _expand(options: argparse.Namespace, world: Surroundings) -> None:
    if options.step != "plan":
        world.tell(expand.set_paused(world.kube, world.namespace, options.name, options.step == "pause"))
        return
    database = read_database(_read(options, world))
    is_json = options.output == "json"
    document = expand.build_plan_document
    world.tell(_as_json(document(database, options.shards)) if is_json else expand.plan(database, options.shards))


def _lock(options: argparse.Namespace, world: Surroundings) -> None:
    match options.step:
        case "list":
            spaces = fetch(world.kube, lock.LOCK_SPACE, world.namespace, options.name)
            is_json = options.output == "json"
            world.tell(
                _as_json([_pick(each) for each in spaces]) if is_json else lock.render_spaces(spaces, world.now())
            )
        case "show":
            space = world.kube.get(lock.LOCK_SPACE.path(world.namespace, options.name))
            is_json = options.output == "json"
            found = lock.find_lock(space, options.lock)
            world.tell(_as_json(found) if is_json else lock.show_lock(space, options.lock, world.now()))
        case "release":
            _release_lock(options, world)


def _release_lock(options: argparse.Namespace, world: Surroundings) -> None:
    request = lock.Request(world.namespace, options.name, options.lock, world.draw_id())
    lock.ask(world.kube, request)
    if options.no_wait:
        world.tell(f"asked for {request.text}. See: kubectl caisson lock list {options.name} -n {world.namespace}")
        return
    patience = switchover.Patience(options.timeout, world.monotonic, world.pause)
    world.tell(lock.follow(world.kube, request, patience, world.note))


def _pick(manifest: Manifest) -> dict[str, Any]:
    """What a program wants to know of one resource."""
    metadata = manifest["metadata"]
    names = {"name": metadata["name"], "namespace": metadata["namespace"]}
    return {**names, "spec": manifest.get("spec"), "status": manifest.get("status") or {}}


def _report(options: argparse.Namespace, world: Surroundings) -> None:
    now, bundle = world.now(), Bundle()
    folder = f"caisson-report-{options.name}-{now:%Y%m%dT%H%M%SZ}"
    wish = Wish(world.namespace, options.name, options.tail, options.operator_namespace)
    collect(world.kube, wish, dict(world.versions), bundle)
    head = (
        f"Report on ShardedDatabase {world.namespace}/{options.name}, {now:%Y-%m-%d %H:%M:%SZ}. Secrets were not read."
    )
    path: Path = options.output or Path(f"{folder}.tar.gz")
    write_archive(path, folder, bundle.list_files(head), now)
    for name, reason in bundle.missing:
        world.note(f"could not be had: {name}: {reason}")
    world.tell(
        f"{path}: look into it before you send it; what looked like a secret is hidden, but no rule knows every secret"
    )


def _decode(options: argparse.Namespace, world: Surroundings) -> None:
    layout = ids.Layout()
    if options.resource:
        layout = ids.read_layout(world.kube.get(ids.allocator_path(world.namespace, options.resource)))
    if options.bits or options.epoch:
        layout = ids.Layout(options.bits or layout.bits, options.epoch or layout.epoch, "as given")
    found = ids.decode(options.id, layout)
    world.tell(_as_json(found) if options.output == "json" else ids.render(found))


def _read(options: argparse.Namespace, world: Surroundings) -> Manifest:
    return world.kube.get(database_path(world.namespace, options.name))


def _as_json(document: Any) -> str:
    return json.dumps(document, indent=2)
