"""What may be the name of a lock. Pure."""

import unicodedata

from caisson.errors import BadName

LONGEST_BYTES = 512
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def check_name(name: str) -> str:
    """The name itself. Raises BadName, a ConfigurationError, if it is empty, longer than 512 bytes of UTF-8, or has
    control, formatting or line-separating characters: two such names may look the same and be different locks."""
    if not isinstance(name, str):
        raise BadName(f"a lock's name is a string, not {type(name).__name__}")
    if name.isascii() and name.isprintable() and 0 < len(name) <= LONGEST_BYTES:
        return name
    if not name:
        raise BadName("a lock's name can not be empty")
    bad = next((place for place, each in enumerate(name) if unicodedata.category(each) in _UNPRINTABLE), None)
    if bad is not None:
        raise BadName(f"the lock name {name[:64]!r} has a control character at position {bad}")
    if len(name.encode()) > LONGEST_BYTES:
        raise BadName(f"the lock name {name[:32]!r}... has {len(name.encode())} bytes; the most are {LONGEST_BYTES}")
    return name
