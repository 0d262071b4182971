"""What manifests are built from beside the resource: values that were observed or made once. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Passwords:
    """`application` is what the binding names; `admin` is the operator's and the members' own."""

    application: str = field(repr=False)
    admin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """What follows from how things stand: how many pods there are to be, and whether an ensemble was formed."""

    replicas: int
    is_formed: bool
    claimed_size: str = ""
    """What the StatefulSet was made with, which Kubernetes admits no change of; empty: it is made now."""
    credentials_uid: str = ""
    """Of the Secret that was seen."""
    authority_uid: str = ""
    """Likewise."""
    authority: str = ""
    """The certificate by which clients know the servers, PEM."""
