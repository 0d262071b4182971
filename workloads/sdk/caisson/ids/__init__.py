"""Ids that stay unique whatever clocks, processes and stores do. `caisson.IdAllocator` is the way in."""

from caisson.ids.allocator import IdAllocator
from caisson.ids.layout import Decoded, Layout

__all__ = ["Decoded", "IdAllocator", "Layout"]
