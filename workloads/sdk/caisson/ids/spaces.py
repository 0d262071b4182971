"""A space is where ids are unique: it keeps the mode and the layout that it was made with."""

from caisson.errors import ConfigurationError


def must_be_the_same(space: str, asked: tuple[str, str], made: tuple[str, str]) -> None:
    """Ids of another mode or layout might coincide with those that are out already. Raises ConfigurationError."""
    if asked != made:
        raise ConfigurationError(
            f"id space {space!r} was made for {' '.join(made)}, not for {' '.join(asked)}: ids might repeat; take a new space"
        )
