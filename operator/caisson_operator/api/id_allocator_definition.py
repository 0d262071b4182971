"""The definition of IdAllocator: what `kubectl get` prints."""

from .definition import AGE, Definition
from .id_allocator_spec import IdAllocatorSpec
from .id_allocator_status import IdAllocatorStatus

_COLUMNS = (
    ("Mode", "string", ".spec.mode", "snowflake, segment, redis or uuid7"),
    ("Backend", "string", ".status.backend", "Where worker ids or ranges are given out"),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether ids can be had"),
    ("Servers", "integer", ".status.server.ready", "Servers that have ids to give"),
    AGE,
)

ID_ALLOCATOR = Definition(
    kind="IdAllocator",
    short_name="idalloc",
    description="Ids that are unique across processes, restarts and clocks that jump.",
    spec=IdAllocatorSpec,
    status=IdAllocatorStatus,
    columns=_COLUMNS,
)
