"""What a server of ids tells of itself at /metrics."""

import re
import ssl
from collections.abc import Mapping
from functools import lru_cache

import aiohttp

SECONDS = 2.0
_COUNT = re.compile(r"^caisson_id_(\w+) (\d+)$", re.MULTILINE)


async def read_counts(address: str, port: int, name: str, authority: str) -> Mapping[str, int] | None:
    """Its metrics by their name without `caisson_id_`. None where it does not answer, or shows no certificate of `authority` (PEM) for `name`."""
    limit, url = aiohttp.ClientTimeout(SECONDS), f"https://{address}:{port}/metrics"
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.get(url, ssl=_trust(authority), server_hostname=name) as response,
        ):
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError):
        return None
    return read_text(text)


def read_text(text: str) -> Mapping[str, int]:
    """Out of Prometheus' text format."""
    return {name: int(value) for name, value in _COUNT.findall(text)}


@lru_cache(maxsize=64)
def _trust(authority: str) -> ssl.SSLContext:
    """Kept: each look asks each server."""
    return ssl.create_default_context(cadata=authority)
