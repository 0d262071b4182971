"""How a resource names the store that its state is kept in."""

from typing import Annotated

from pydantic import Field

from .base import Wire


class Reference(Wire):
    """An object of the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Its name."""
