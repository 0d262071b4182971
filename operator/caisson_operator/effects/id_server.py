"""What a server of ids tells of itself at /metrics."""

import re
from collections.abc import Mapping

import aiohttp

SECONDS = 2.0
_COUNT = re.compile(r"^caisson_id_(\w+) (\d+)$", re.MULTILINE)


async def read_counts(host: str, port: int) -> Mapping[str, int] | None:
    """Its metrics by their name without `caisson_id_`. None where it does not answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(SECONDS)) as session,
            session.get(f"http://{host}:{port}/metrics") as response,
        ):
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError):
        return None
    return read_text(text)


def read_text(text: str) -> Mapping[str, int]:
    """Out of Prometheus' text format."""
    return {name: int(value) for name, value in _COUNT.findall(text)}
