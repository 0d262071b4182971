"""Whom a shard lets in with which password: applications, as one of two roles that take turns, and the operator itself.

What was done is noted as the role's comment, in the same transaction: nothing else tells whose password it is.
"""

from psycopg import sql

from caisson_operator.core.layout import APPLICATION_ROLE, OWNER_ROLE, RETIRED, ROTATION_MARK, SUPERUSER, Login

from .sessions import Connection, fetch_value

# A kubelet brings a changed Secret into a pod within about two minutes.
GRACE_SECONDS = 600
# A statement that fails must not write a password's verifier to the log.
QUIETLY = "SET LOCAL log_min_error_statement = panic"


async def let_in(connection: Connection, login: Login, password: str) -> None:
    """The server gets a verifier, never the password: statements can be seen by others. Safe to repeat."""
    role = sql.Identifier(login.role)
    verifier = build_verifier(connection, login.role, password)
    async with connection.transaction():
        await connection.execute(QUIETLY)
        if not await fetch_value(connection, "SELECT to_regrole(%s) IS NOT NULL", (login.role,)):
            await connection.execute(
                sql.SQL("CREATE ROLE {} IN ROLE {}").format(role, sql.Identifier(APPLICATION_ROLE))
            )
        text = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} VALID UNTIL 'infinity'")
        await connection.execute(text.format(role, sql.Literal(verifier)))
        await connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(login.mark)))


async def retire_role(connection: Connection, role: str, grace_seconds: float = GRACE_SECONDS) -> None:
    """By the shard's own clock. Safe to repeat: the time then begins anew."""
    name = sql.Identifier(role)
    async with connection.transaction():
        until = await fetch_value(connection, "SELECT (now() + make_interval(secs => %s))::text", (grace_seconds,))
        await connection.execute(sql.SQL("ALTER ROLE {} VALID UNTIL {}").format(name, sql.Literal(until)))
        await connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(RETIRED)))


async def change_operator_passwords(connection: Connection, rotation: str, superuser: str, owner: str) -> None:
    """Both at once, and what a shard notes of them with it. Sessions that are open go on. Safe to repeat."""
    async with connection.transaction():
        await connection.execute(QUIETLY)
        for role, password in ((SUPERUSER, superuser), (OWNER_ROLE, owner)):
            verifier = sql.Literal(build_verifier(connection, role, password))
            await connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), verifier))
        note = sql.Literal(f"{ROTATION_MARK}{rotation}")
        await connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(SUPERUSER), note))


def build_verifier(connection: Connection, role: str, password: str) -> str:
    return connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
