"""Read what the shards' Patroni keeps beside the Services, in one listing. Reads only."""

import json
from dataclasses import dataclass
from typing import Any

from caisson_operator.effects.kube import KubeApi

from .manifests import ShardNames
from .manifests.names import DATABASE_LABEL, KIND, KIND_LABEL
from .patroni_state import PatroniState, build_patroni_state
from .wanted import Wanted


@dataclass(frozen=True, slots=True)
class PatroniRecords:
    """By shard. One that has not bootstrapped has no settings yet."""

    settings: dict[str, dict[str, Any]]
    states: dict[str, PatroniState]


async def observe_patroni(kube: KubeApi, wanted: Wanted) -> PatroniRecords:
    labels = {KIND_LABEL: KIND, DATABASE_LABEL: wanted.database.name}
    endpoints = await kube.list("v1", "Endpoints", wanted.database.namespace, labels)
    kept = {item["metadata"]["name"]: item["metadata"].get("annotations") or {} for item in endpoints}
    names = {shard: ShardNames(wanted.database.name, shard) for shard in wanted.shards}
    texts = {shard: kept.get(of.config, {}).get("config") for shard, of in names.items()}
    return PatroniRecords(
        settings={shard: json.loads(text) for shard, text in texts.items() if text},
        states={shard: build_patroni_state(kept, names[shard]) for shard, text in texts.items() if text},
    )
