"""Volumes of a fixed size, which can be full: tmpfs on each worker, behind a StorageClass of their own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from demo.cluster import CommandFailedError, apply, kubectl
from faults.nodes import Node, on

STORAGE_CLASS = "faults-full-disk"
FOLDER = f"/mnt/{STORAGE_CLASS}"
SIZE = "640Mi"
MEBIBYTES = 640


@contextmanager
def small_disks(nodes: list[Node]) -> Iterator[None]:
    """One a worker. A database that uses them is gone by the end."""
    workers = [node.name for node in nodes if not node.is_control_plane]
    for worker in workers:
        on(worker, "mkdir", "--parents", FOLDER)
        on(worker, "mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES}m", "tmpfs", FOLDER)
    apply("\n---\n".join(json.dumps(manifest) for manifest in (storage_class(), *map(volume, workers))))
    try:
        yield
    finally:
        kubectl("delete", "persistentvolumes", "-l", f"app={STORAGE_CLASS}", "--wait=false")
        kubectl("delete", "storageclass", STORAGE_CLASS)
        for worker in workers:
            on(worker, "umount", "--lazy", FOLDER)


def storage_class() -> dict[str, object]:
    return {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": STORAGE_CLASS},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer",
    }  # fmt: skip


def volume(worker: str) -> dict[str, object]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [worker]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{STORAGE_CLASS}-{worker}", "labels": {"app": STORAGE_CLASS}},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": FOLDER},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


@contextmanager
def filled(worker: str) -> Iterator[None]:
    """Until not a byte is left."""
    filler = f"{FOLDER}/filler"
    try:
        on(worker, "dd", "if=/dev/zero", f"of={filler}", "bs=64k")
    except CommandFailedError as error:
        if "No space left" not in str(error):
            raise
    try:
        yield
    finally:
        on(worker, "rm", "--force", filler)
