"""The lock store on a real Redis keeps the contract."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from caisson.locks.policy import Policy
from caisson.locks.redis_dialing import dial_primary, read_url
from caisson.locks.redis_link import Link
from caisson.locks.redis_store import RedisStore, patience_seconds
from coordination.lock_contract import FAR, LockContract, OpenStore
from coordination.redis import Server

_spaces = count()


def open_redis_store(server: Server, policy: Policy, *, is_managed: bool = True) -> RedisStore:
    dial = dial_primary(lambda: read_url(server.url), patience_seconds(policy.lease_seconds))
    return RedisStore(Link(dial), policy, is_managed=is_managed)


@pytest.fixture
def open_store(server: Server) -> Iterator[OpenStore]:
    space = f"demo/jobs-{next(_spaces)}"
    with ExitStack() as stack:

        def open_one(lease_seconds: float = FAR, *, fair: bool = True) -> RedisStore:
            store = open_redis_store(server, Policy(space, lease_seconds, fair))
            stack.callback(store.close)
            return store

        yield open_one


class TestRedisStore(LockContract):
    pass
