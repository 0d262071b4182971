"""`id decode`: what an id says of its making. Pure, but for the one resource that may be read for its layout.

The bits are those of the SDK (caisson.ids.layout), which the plugin does without.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from .errors import NotSo
from .kube import collection_path

ID_BITS = 63
DEFAULT_BITS = (41, 10, 12)
DEFAULT_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Layout:
    """Bits of timestamp, worker id and sequence; the moment that timestamps count from; who says so."""

    bits: tuple[int, int, int] = DEFAULT_BITS
    epoch: datetime = DEFAULT_EPOCH
    source: str = "the default"

    def __str__(self) -> str:
        return f"{'+'.join(map(str, self.bits))} since {format_moment(self.epoch)} ({self.source})"


def allocator_path(namespace: str, name: str) -> str:
    return f"{collection_path('caisson.dev/v1alpha1', 'idallocators', namespace)}/{name}"


def read_layout(manifest: Mapping[str, Any]) -> Layout:
    """Of an IdAllocator. Raises NotSo where its ids say nothing."""
    spec, name = manifest["spec"], manifest["metadata"]["name"]
    if spec["mode"] != "snowflake":
        raise NotSo(f"ids of {name} are of mode {spec['mode']}: they say neither when nor by whom they were made")
    of = spec["snowflake"]
    bits = (of["timestampBits"], of["workerBits"], of["sequenceBits"])
    return Layout(bits, datetime.fromisoformat(of["epoch"]), f"idalloc/{name}")


def decode(text: str, layout: Layout) -> dict[str, Any]:
    """Raises NotSo for what is no id of this layout."""
    return _decode_uuid(text) if "-" in text.strip("-") else _decode_number(text, layout)


def render(found: Mapping[str, Any]) -> str:
    width = max(map(len, found))
    return "\n".join(f"{key:<{width}}   {value}" for key, value in found.items())


def format_moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _decode_number(text: str, layout: Layout) -> dict[str, Any]:
    if not text.isascii() or not text.isdecimal() or int(text) >> sum(layout.bits):
        raise NotSo(f"{text} is no id of layout {layout}")
    _, worker_bits, sequence_bits = layout.bits
    rest, sequence = divmod(int(text), 1 << sequence_bits)
    milliseconds, worker = divmod(rest, 1 << worker_bits)
    try:
        at = layout.epoch + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise NotSo(f"{text} would be of a year past 9999 in layout {layout}: it is of another one") from None
    return {"id": text, "madeAt": format_moment(at), "worker": worker, "sequence": sequence, "layout": str(layout)}


def _decode_uuid(text: str) -> dict[str, Any]:
    try:
        id = UUID(text)
    except ValueError:
        raise NotSo(f"{text} is neither a number nor a UUID") from None
    if id.version != 7:
        raise NotSo(f"{text} is a UUID, but not of version 7: it does not say when it was made")
    return {"id": text, "madeAt": format_moment(UNIX_EPOCH + timedelta(milliseconds=id.int >> 80)), "layout": "UUID 7"}
