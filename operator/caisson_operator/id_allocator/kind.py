"""IdAllocator as the frame sees it."""

from caisson_operator.api.resource import IdAllocator, load_id_allocator
from caisson_operator.kind import Kind

from .room import build_room
from .wanted import KIND

ID_ALLOCATOR: Kind[IdAllocator] = Kind(
    KIND, "idallocators", load_id_allocator, build_room, children=("deployments", "pods")
)
