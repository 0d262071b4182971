"""Kubernetes Events, for people who ask `kubectl describe`: one for each transition, none for each reconcile."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from caisson_operator.core.news import News

from .kube import KubeApi, Manifest

_REPORTER = "caisson.dev/operator"
_NOTE_LIMIT = 1000


def build_event(regarding: Mapping[str, Any], news: News, instance: str, now: datetime) -> Manifest:
    metadata = regarding["metadata"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": _REPORTER,
        "reportingInstance": instance[:128],
        "action": news.action,
        "reason": news.reason,
        "type": "Warning" if news.is_warning else "Normal",
        "note": news.note[:_NOTE_LIMIT],
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
    }


async def post_event(kube: KubeApi, regarding: Mapping[str, Any], news: News, instance: str, now: datetime) -> None:
    await kube.create(build_event(regarding, news, instance, now))
