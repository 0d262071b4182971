"""Whom a shard lets in of the roles that members come to each other as, for replication and rewind: two of each, which take turns.

The second of a pair is a member of the first, whose rights it has so: what pg_rewind reads is granted in one database alone, and
this is another. What was done is noted as the role's comment, in the same transaction.
"""

from collections.abc import Iterable, Mapping

from psycopg import sql

from caisson_operator.core.layout import REPLICATION_ROLES, first_role, mark_rotation

from .logins import QUIETLY, build_verifier
from .sessions import Connection, fetch_value


async def let_members_in(connection: Connection, rotation: str, passwords: Mapping[str, str]) -> None:
    """All of them at once, by role. Sessions that are open go on. Safe to repeat."""
    async with connection.transaction():
        await connection.execute(QUIETLY)
        for role, password in passwords.items():
            await _let_in(connection, role, password)
            note = sql.Literal(mark_rotation(rotation))
            await connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role), note))


async def _let_in(connection: Connection, role: str, password: str) -> None:
    name, first = sql.Identifier(role), first_role(role)
    if not await fetch_value(connection, "SELECT to_regrole(%s) IS NOT NULL", (role,)):
        await connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    if role != first:
        await connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(first), name))
    may = sql.SQL("LOGIN REPLICATION" if role in REPLICATION_ROLES else "LOGIN")
    verifier = sql.Literal(build_verifier(connection, role, password))
    await connection.execute(sql.SQL("ALTER ROLE {} {} PASSWORD {}").format(name, may, verifier))


async def retire_member_roles(connection: Connection, roles: Iterable[str]) -> None:
    """All of them at once. Their rights stay: the others have them from the first. Sessions that are open go on. Safe to repeat."""
    async with connection.transaction():
        for role in roles:
            await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(role)))
