"""Patroni's own store, and everything that a member has it do, one after the other: as a process, since it never ends its threads.

    python -m api.patroni_in_kubernetes KUBECONFIG NAMESPACE SCOPE

Prints a JSON object: whether each of these was done.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import yaml
from patroni.dcs import kubernetes
from patroni.exceptions import DCSError
from patroni.postgresql.mpp import get_mpp

import member

TOLD = {"state": "running", "role": "primary", "conn_url": "postgres://10.0.0.1/"}


def open_store(kubeconfig: str, namespace: str, scope: str) -> Any:
    kubernetes.KUBE_CONFIG_DEFAULT_LOCATION = kubeconfig
    template = yaml.safe_load(member.TEMPLATE.read_text())["kubernetes"]
    timings = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3}
    own = {"scope": scope, "name": f"{scope}-0", "namespace": namespace, "pod_ip": "10.0.0.1", "labels": {"a": "b"}}
    return kubernetes.Kubernetes({**template, **timings, **own, "context": "bare"}, get_mpp({}))


def build_deeds(store: Any) -> dict[str, Callable[[], object]]:
    def version(of: str) -> Any:
        return getattr(getattr(store.get_cluster(), of), "version", None)

    return {
        "look": lambda: store.get_cluster() is not None,
        "initialize": lambda: store.initialize(create_new=True, sysid="7"),
        "acquire": store.attempt_to_acquire_leader,
        "touch": lambda: store.touch_member(dict(TOLD)),
        "configure": lambda: store.set_config_value('{"ttl": 20}', version("config")),
        "remember": lambda: store.set_history_value("[]"),
        "synchronize": lambda: store.write_sync_state(store._name, ["other"], 0, version("sync")),
        "ask": lambda: store.manual_failover(store._name, "other", version=version("failover")),
        "renew": lambda: store.update_leader(store.get_cluster(), 1, {}, {}),
        "answer": lambda: store.manual_failover("", "", version=version("failover")),
        "leave": lambda: store.delete_leader(store.get_cluster().leader),
    }


def attempt(deed: Callable[[], object]) -> bool:
    try:
        return bool(deed())
    except DCSError as error:
        print(repr(error), file=sys.stderr)
        return False


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr)
    deeds = build_deeds(open_store(*sys.argv[1:]))
    print(json.dumps({name: attempt(deed) for name, deed in deeds.items()}))
