"""What a server says of its own parameters. Reads only."""

from collections.abc import Sequence

from .sessions import Connection, fetch_all

_READ = """
SELECT lower(name), vartype, coalesce(unit, ''), coalesce(min_val::float8, '-Infinity'), coalesce(max_val::float8, 'Infinity'),
       coalesce(enumvals, '{}'), context = 'internal'
FROM pg_settings WHERE lower(name) = ANY(%s)
"""

Row = tuple[str, str, str, float, float, list[str], bool]


async def read_parameters(connection: Connection, names: Sequence[str]) -> list[Row]:
    """Name, type, unit, least and greatest value, choices, whether it is fixed. What the server does not know is left out."""
    return await fetch_all(connection, _READ, (list(names),))
