"""The hash of what was applied, kept in an annotation of each object, so that nothing is sent that is there already. Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

CONTENT = "caisson.dev/content"

Manifest = Mapping[str, Any]


def stamp(manifest: Manifest) -> dict[str, Any]:
    metadata = manifest["metadata"]
    text = json.dumps(manifest, sort_keys=True).encode()
    annotations = {**metadata.get("annotations", {}), CONTENT: hashlib.sha256(text).hexdigest()[:16]}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def content_of(manifest: Manifest) -> str:
    """Empty where we have not applied it."""
    return str((manifest["metadata"].get("annotations") or {}).get(CONTENT, ""))


def identity_of(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]
