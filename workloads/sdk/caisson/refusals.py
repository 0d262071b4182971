"""Why no connection to a server was had."""

import psycopg
from psycopg.pq.abc import PGconn

# libpq has no code for these. Where it speaks another language they are retried like any other refusal, and told at the end.
_OF_TLS = (
    "certificate verify failed",
    "does not match host name",
    "root certificate",
    "server does not support SSL",
    "no encryption",  # of the server itself: no line of pg_hba.conf is for who comes without TLS
)


class NotConnected(Exception):
    """No connection to the server could be had, or it is not ready to serve. Nothing was done."""


class PasswordRefused(psycopg.OperationalError):
    """The server did not let this user in, with the newest password that the binding holds."""


class NotTrusted(psycopg.OperationalError):
    """Server and binding do not agree on TLS: one does not have it, or the certificate is not the one to expect.

    Who opens a database is told at once; a statement is retried, since an address may for a moment be another server's.
    """


def read_refusal(pgconn: PGconn) -> psycopg.OperationalError:
    """The error of a failed handshake. A server that has told its version has let the user in: it is a standby."""
    said, kind = pgconn.get_error_message(), psycopg.OperationalError
    if any(words in said for words in _OF_TLS):
        kind = NotTrusted
    elif pgconn.used_password and pgconn.parameter_status(b"server_version") is None:
        kind = PasswordRefused
    return kind(f"connection failed: {said}")
