"""The fake keeps the contract of real shards (tests/postgres/expansion/test_contract.py runs the same checks on PostgreSQL)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from caisson_operator.core.decisions import Step
from caisson_operator.core.layout import Bucket, Leaf, SwitchGroup
from caisson_operator.sharded_database.observed import Shard
from fakes.access import send_beat
from fakes.clients import Client
from fakes.contract import ShardsContract
from fakes.roles_contract import MEMBER_ROLES, RolesContract
from fakes.server import Deposed
from fakes.shards import Shards

from .simulation import Simulation


@dataclass
class FakeEngine:
    shards: Shards
    deposed: type[Exception] = Deposed
    term: int = 2

    def act(self, step: Step, term: int = 2) -> None:
        self.term = max(term, self.term)
        self.shards.apply(step, term)

    def observe(self) -> Mapping[str, Shard]:
        return self.shards.observe(self.term)

    def copies_all(self, group: SwitchGroup) -> bool:
        self.shards.pass_time()
        return self.shards.servers[group.target].live.feeds[group.link].is_ready

    def write(self, shard: str, bucket: int, key: int, version: int) -> bool:
        """By a client that believes this very shard, at the epoch of its gate."""
        server = self.shards.servers[shard]
        found = self._bucket(bucket)
        claim = server.live.shard_map.get(found)
        if claim is None:
            return False
        client = Client({shard: server}, {found: type(claim)(shard, server.live.gates[found])})
        return client.write(self.shards.groups[found.group], found, str(key), version)

    def rows(self, shard: str, leaf: Leaf) -> dict[int, int]:
        return {int(key): version for key, version in self.shards.servers[shard].live.rows.get(leaf.name, {}).items()}

    def lets_in(self, shard: str, role: str, password: str) -> bool:
        return self.shards.servers[shard].live.member_passwords.get(role) == password

    def gate(self, shard: str, bucket: int) -> int:
        return self.shards.servers[shard].live.gates[self._bucket(bucket)]

    def set_gate(self, shard: str, bucket: int, epoch: int) -> None:
        self.shards.servers[shard].live.gates[self._bucket(bucket)] = epoch

    def corrupt(self, leaf: Leaf, key: int) -> None:
        self.shards.servers["s1"].live.replay(leaf.name, str(key), -1)

    def beat(self, group: SwitchGroup) -> None:
        send_beat(self.shards.servers[group.source], group)

    @contextmanager
    def open_transaction(self, shard: str, bucket: int) -> Iterator[None]:
        self.shards.servers[shard].busy.add(self._bucket(bucket))
        yield
        self.shards.servers[shard].busy.clear()

    def _bucket(self, number: int) -> Bucket:
        return Bucket(next(iter(self.shards.groups)), number)


class TestFakeShards(ShardsContract, RolesContract):
    @pytest.fixture
    def engine(self) -> FakeEngine:
        sim = Simulation.of(1, 2, begins_with_rows=False)
        while sim.shards.servers["s0"].live.latest_expansion is None:
            sim.leader.advance()
        sim.shards.find_member_roles = MEMBER_ROLES.__getitem__
        return FakeEngine(sim.shards)
