"""What the operator makes in Kubernetes for a BackingCluster. Pure."""

from .inputs import Passwords, Shape
from .names import Names
from .objects import (
    build_authority,
    build_certificate,
    build_credentials,
    build_epoch,
    build_leading,
    build_objects,
    find_template,
)
from .pod import TEMPLATE

__all__ = [
    "TEMPLATE",
    "Names",
    "Passwords",
    "Shape",
    "build_authority",
    "build_certificate",
    "build_credentials",
    "build_epoch",
    "build_leading",
    "build_objects",
    "find_template",
]
