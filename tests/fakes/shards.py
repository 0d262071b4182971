"""An in-memory fake of the shards of one database: every step of steps.py, observation, and what may befall them.

A step is a generator that pauses between the transactions of its effect, so that a test can let anything happen there, or
walk away for good, as a leader does that is killed. contract.py and roles_contract.py hold it to what PostgreSQL does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from caisson_operator.core.decisions import Step
from caisson_operator.core.layout import APPLICATION_ROLE, FIRST_MEMBER_ROLES, Table, TableGroup
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.member_credentials import NOTHING_HELD, MemberRoles
from caisson_operator.sharded_database.observed import (
    Attachment,
    PreparedTransaction,
    Shard,
    Subscription,
    TableFindings,
    WritingTransaction,
)

from . import effects_copying as copying
from . import effects_fence as fence
from . import effects_schema as schema
from .access import Access, Cluster, Guards
from .replication import apply_changes, confirm, copy_tables
from .server import Server, Unreachable

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
BYTES_PER_CHANGE = 100_000  # so that a test can fall behind by a megabyte with a dozen rows


@dataclass
class Shards:
    """The database's servers. `groups` are its tables, as `observe_shards` is asked for them; `find_member_roles` is as ShardActor's."""

    names: Sequence[str]
    groups: dict[str, TableGroup]
    guards: Guards = field(default_factory=Guards)
    is_replicated: bool = True
    find_member_roles: Callable[[str], MemberRoles] = NOTHING_HELD.find_roles

    def __post_init__(self) -> None:
        self.cluster = Cluster({}, BEGINNING, self.guards)
        self.add(self.names)

    @property
    def servers(self) -> dict[str, Server]:
        return self.cluster.servers

    def add(self, names: Iterable[str]) -> None:
        for name in names:
            server = self.servers.setdefault(name, Server(name))
            if not self.is_replicated:
                server.lose_standby()

    def fork(self) -> Self:
        """A second database in the same state; what happens to one no longer happens to the other."""
        made = replace(self, names=())
        made.cluster = Cluster({}, self.cluster.now, self.guards, set(self.cluster.stalled))
        made.cluster.servers = {name: server.fork() for name, server in self.servers.items()}
        return made

    def apply(self, step: Step, term: int = 1) -> None:
        """The whole effect. HeldUp, Unreachable, SessionLost, Deposed or EngineError as the real one."""
        for _ in self.run(step, term):
            pass

    def run(self, step: Step, term: int = 1) -> Iterator[str]:
        """The effect, transaction by transaction."""
        access = Access(self.cluster, term, self.find_member_roles)
        if isinstance(step, steps.DropSourceLeaves):
            return copying.drop_leaves(access, step.group.source, step.group)
        if isinstance(step, steps.DropTargetLeaves):
            return copying.drop_leaves(access, step.group.target, step.group)
        effect = EFFECTS[type(step)]
        made: Iterator[str] = effect(access, step)  # type: ignore[operator]
        return made

    def observe(self, term: int = 1, names: Iterable[str] | None = None) -> dict[str, Shard]:
        """Every shard that has a primary; entering the term is a part of looking."""
        found: dict[str, Shard] = {}
        for name in names or self.servers:
            try:
                server = Access(self.cluster, term).on(name)
            except Unreachable:
                continue
            found[name] = self._build(server)
        return found

    def pass_time(self, seconds: float = 1.0) -> None:
        """Everything that moves by itself moves as far as it can."""
        self.advance_clock(seconds)
        self.end_idle_fences()
        for server in self.servers.values():
            for held in list(server.fences):
                server.finish_fence(held)
        for link in self.links:
            copy_tables(self.servers, link)
            while not self.cluster.is_stalled(link) and apply_changes(self.servers, link, 1000):
                pass
        self.settle_disks()

    def advance_clock(self, seconds: float) -> None:
        self.cluster.now += timedelta(seconds=seconds)

    def end_idle_fences(self) -> None:
        """idle_in_transaction_session_timeout: whoever holds a fence and does not go on loses it. A COMMIT is not idle."""
        for server in self.servers.values():
            for held in [f for f in server.fences if not f.is_committing]:
                server.end_fence(held)

    def settle_disks(self) -> None:
        for server in self.servers.values():
            if server.is_up:
                confirm(self.servers, server)
                server.replicate()
                if server.standby is None and not server.is_standby_away:
                    server.return_standby()

    @property
    def links(self) -> list[str]:
        return sorted({link for server in self.servers.values() for link in server.live.feeds})

    def _build(self, server: Server) -> Shard:
        live = server.live
        latest = max((key[0] for key in live.records), default=0)
        return Shard(
            name=server.name,
            timeline=server.timeline,
            has_synchronous_standby=server.standby is not None,
            schema_version=live.version,
            migrations=dict(live.migrations),
            tables={table.name: _find(table, live.registered) for table in self._tables} if live.migrations else {},
            shard_map=dict(live.shard_map),
            leaves=dict(live.leaves),
            publications=frozenset(live.publications),
            slots={name: (len(live.log) - at) * BYTES_PER_CHANGE for name, at in server.slots.items()},
            subscriptions={
                link: Subscription(
                    feed.is_enabled,
                    len(feed.copied),
                    sum(at is not None for at in feed.copied.values()),
                    feed.is_enabled and not self.cluster.is_stalled(link),
                )
                for link, feed in live.feeds.items()
            },
            spare_workers=server.workers - len(live.feeds),
            sentinels=live.sentinels,
            records={key: record for key, record in live.records.items() if key[0] == latest},
            rows_arrived={t: len(live.rows.get(t, {})) for feed in live.feeds.values() for t in feed.copied},
            row_estimates={
                leaf.name: len(live.rows.get(leaf.name, {}))
                for leaf, state in live.leaves.items()
                if state.attachment in (Attachment.ATTACHED, Attachment.DETACHING)
            },
            open_fences=len(server.fences),
            unsettled_gates=sum(
                live.gates.get(b) != c.epoch for b, c in live.shard_map.items() if c.owner == server.name
            ),
            prepared_transactions=(PreparedTransaction("left over", "app", "app", 60.0),)
            * server.prepared_transactions,
            oldest_writer=WritingTransaction(1, "app", "", "app", 60.0) if server.busy else None,
            known_shards=live.known_shards,
            logins={APPLICATION_ROLE: "", **live.logins},
            operator_rotation=live.operator_rotation,
            member_roles={**dict.fromkeys(FIRST_MEMBER_ROLES, ""), **live.member_roles},
            expansion=live.latest_expansion,
        )

    @property
    def _tables(self) -> list[Table]:
        return [table for group in self.groups.values() for table in group.tables]


def _find(table: Table, registered: frozenset[str]) -> TableFindings:
    types = ("text",) * len(table.key)
    return TableFindings("p", "h", table.key, types, table.key, (), table.name in registered)


EFFECTS = {
    steps.InstallSchema: schema.install_schema,
    steps.ApplyMigration: schema.apply_migration,
    steps.RegisterTables: schema.register_tables,
    steps.PublishShards: schema.publish_shards,
    steps.LetIn: schema.let_in,
    steps.RetireRole: schema.retire_role,
    steps.ChangeOperatorPasswords: schema.change_operator_passwords,
    steps.LetMembersIn: schema.let_members_in,
    steps.RetireMemberRoles: schema.retire_member_roles,
    steps.PlaceBuckets: schema.place_buckets,
    steps.StartExpansion: schema.start_expansion,
    steps.FinishExpansion: schema.finish_expansion,
    steps.RecordGroup: schema.record_group,
    steps.ForgetGroup: schema.forget_group,
    steps.CreateTargetLeaves: copying.create_target_leaves,
    steps.CreatePublication: copying.create_publication,
    steps.CreateSlot: copying.create_slot,
    steps.Subscribe: copying.subscribe,
    steps.BuildIndexes: copying.build_indexes,
    steps.Verify: copying.verify,
    steps.DetachSource: copying.detach_source,
    steps.Unsubscribe: copying.unsubscribe,
    steps.DropSlot: copying.drop_slot,
    steps.DropSyncSlots: copying.drop_sync_slots,
    steps.DropPublication: copying.drop_publication,
    steps.DropSentinels: copying.drop_sentinels,
    steps.Fence: fence.fence,
    steps.OpenTarget: fence.open_target,
    steps.EndFences: fence.end_fences,
    steps.SettleGates: fence.settle_gates,
}
