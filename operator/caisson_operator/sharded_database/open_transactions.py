"""Transactions of others that stand in an expansion's way: a new slot waits, without a word, for all that have a transaction id. Pure.

They are waited for with their names instead, and nobody is cancelled. No query is told: it may hold secrets.
"""

from caisson_operator.core.decisions import Decision, Settled, Wait

from .observed import PreparedTransaction, Shard, WritingTransaction

LONG_TRANSACTION_SECONDS = 10.0
"""A slot waits for younger ones by itself (effects/postgres/copying.py, SLOT_SECONDS)."""
LOOK_AGAIN_SECONDS = 2.0


def wait_for_transactions(source: Shard) -> Decision:
    """Before a slot is made on `source`."""
    if source.prepared_transactions:
        return _wait_for_prepared(source, source.prepared_transactions[0], "a copy cannot begin")
    writer = source.oldest_writer
    if writer is None or writer.age_seconds < LONG_TRANSACTION_SECONDS:
        return Settled()
    message = f"{source.name} has {_name_writer(writer)}: a copy cannot begin before it has ended. "
    todo = f"Let it end, or end it: SELECT pg_terminate_backend({writer.pid})"
    return Wait("LongTransaction", message + todo, LOOK_AGAIN_SECONDS)


def wait_for_prepared(source: Shard) -> Decision:
    """Before a fence on `source`: only those of its own database may hold the leaves."""
    for prepared in source.prepared_transactions:
        if prepared.is_here:
            return _wait_for_prepared(source, prepared, "nothing switches")
    return Settled()


def _wait_for_prepared(source: Shard, prepared: PreparedTransaction, consequence: str) -> Decision:
    gid = "'" + prepared.gid.replace("'", "''") + "'"
    message = (
        f"{source.name} has the prepared transaction {gid} of {prepared.owner} in {prepared.database}, "
        f"{_name_age(prepared.age_seconds)} old: {consequence} before it has ended. "
        f"End it: COMMIT PREPARED {gid} or ROLLBACK PREPARED {gid}"
    )
    return Wait("PreparedTransaction", message, LOOK_AGAIN_SECONDS)


def _name_writer(writer: WritingTransaction) -> str:
    application = f", application {writer.application!r}" if writer.application else ""
    place = f" in {writer.database}" if writer.database else ""
    return f"a transaction of {writer.user}{place} (pid {writer.pid}{application}) open for {_name_age(writer.age_seconds)}"


def _name_age(seconds: float) -> str:
    """Coarser with time, so that the status does not change at every look."""
    if seconds < 10:
        return "less than 10 s"
    return f"{seconds // 10 * 10:.0f} s" if seconds < 60 else f"{seconds // 60:.0f} min"
