"""A checkpoint ahead of a switchover: the shutdown writes one too, and nobody can write meanwhile."""

import asyncio

from caisson_operator.core.decisions import HeldUp

from .sessions import Sessions

CHECKPOINT_SECONDS = 120.0
LOOK_AGAIN_SECONDS = 1.0


async def write_checkpoint(sessions: Sessions, shard: str, seconds: float = CHECKPOINT_SECONDS) -> None:
    """In a session of its own, since it may take long. Safe to repeat: the second has little left to write."""
    try:
        async with asyncio.timeout(seconds), sessions.session(shard) as connection:
            await connection.execute("CHECKPOINT")
    except TimeoutError:
        message = f"the checkpoint of {shard} did not end within {seconds:.0f} s: its disk is slow, or much is written"
        raise HeldUp("CheckpointHeldUp", message, LOOK_AGAIN_SECONDS) from None
