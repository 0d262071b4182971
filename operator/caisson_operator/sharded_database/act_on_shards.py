"""Each step of an expansion and of a shard's schema, as the effect that carries it out. No decision is made here."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never, cast

from caisson_operator.core.decisions import HeldUp, Step
from caisson_operator.core.layout import Login, SwitchGroup
from caisson_operator.effects.postgres import (
    checkpoint,
    copying,
    fence,
    logins,
    member_roles,
    opening,
    parameters,
    records,
    schema,
    verification,
)
from caisson_operator.effects.postgres.sessions import Sessions

from . import steps
from .credentials import OperatorPasswords
from .member_credentials import NOTHING_HELD, MemberRoles
from .parameters import refuse_faults

LOOK_AGAIN_SECONDS = 5.0  # at rows that differ

ShardStep = (
    steps.InstallSchema
    | steps.LetIn
    | steps.RetireRole
    | steps.ChangeOperatorPasswords
    | steps.LetMembersIn
    | steps.RetireMemberRoles
    | steps.ApplyMigration
    | steps.RegisterTables
    | steps.PublishShards
    | steps.PlaceBuckets
    | steps.StartExpansion
    | steps.FinishExpansion
    | steps.DropSyncSlots
    | steps.EndFences
    | steps.SettleGates
    | steps.Checkpoint
    | steps.CheckParameters
)


@dataclass(slots=True)
class ShardActor:
    """Acts on the shards of one database.

    `subscription_conninfo` gives what a subscription to a shard connects with, `build_password` what an application logs in with,
    `find_operator_passwords` and `find_member_roles` those that the Secret of credentials has for a request.
    """

    database: str
    sessions: Sessions
    subscription_conninfo: Callable[[str], str]
    build_password: Callable[[Login], str]
    on_pause: Callable[[float], None] = lambda seconds: None
    drill: fence.Drill | None = None
    find_operator_passwords: Callable[[str], OperatorPasswords] = lambda rotation: OperatorPasswords(rotation, "", "")
    find_member_roles: Callable[[str], MemberRoles] = NOTHING_HELD.find_roles
    _fenced_at: dict[str, float] = field(default_factory=dict)  # only to measure; a crash loses a figure, nothing else

    async def act(self, step: Step) -> None:
        if isinstance(step, steps.OnGroup):
            await self._act_on_group(step)
        else:
            await self._act_on_shard(cast(ShardStep, step))

    async def _act_on_shard(self, step: ShardStep) -> None:
        connection = await self.sessions.get(step.shard)
        match step:
            case steps.InstallSchema():
                await schema.install_schema(connection, self.database, step.shard)
                await self.sessions.drop(step.shard)  # the next session enters the term that can be kept from now on
            case steps.LetIn():
                await logins.let_in(connection, step.login, self.build_password(step.login))
            case steps.RetireRole():
                await logins.retire_role(connection, step.role)
            case steps.ChangeOperatorPasswords():
                found = self.find_operator_passwords(step.rotation)
                await logins.change_operator_passwords(connection, step.rotation, found.superuser, found.owner)
            case steps.LetMembersIn():
                roles = self.find_member_roles(step.rotation)
                passwords = {each.role: each.password for each in (roles.replication, roles.rewind)}
                await member_roles.let_members_in(connection, step.rotation, passwords)
            case steps.RetireMemberRoles():
                await member_roles.retire_member_roles(connection, step.roles)
            case steps.ApplyMigration():
                await schema.apply_migration(self.sessions, step.shard, step.id, step.position, step.sql, step.checksum)
            case steps.RegisterTables():
                await schema.register_tables(connection, step.tables)
            case steps.PublishShards():
                await schema.publish_shards(connection, step.addresses)
            case steps.PlaceBuckets():
                await schema.place_buckets(connection, step.shard, step.group, step.buckets)
            case steps.StartExpansion():
                await records.start_expansion(connection, step.number, step.from_shards, step.to_shards, step.groups)
            case steps.FinishExpansion():
                await records.finish_expansion(connection, step.number, step.pause_milliseconds)
            case steps.DropSyncSlots():
                subscribers = [await self.sessions.get(name) for name in step.subscribers]
                await copying.drop_sync_slots(connection, subscribers)
            case steps.EndFences():
                await fence.end_fences(connection)
            case steps.SettleGates():
                await opening.settle_gates(connection)
            case steps.Checkpoint():
                await checkpoint.write_checkpoint(self.sessions, step.shard)
            case steps.CheckParameters():
                rows = await parameters.read_parameters(connection, list(step.parameters))
                refuse_faults(step.parameters, rows)
            case _:
                assert_never(step)

    async def _act_on_group(self, step: steps.OnGroup) -> None:
        group = step.group
        source, target = await self.sessions.get(group.source), await self.sessions.get(group.target)
        match step:
            case steps.RecordGroup():
                await records.record_group(target, group, step.source_timeline, step.target_timeline)
            case steps.CreateTargetLeaves():
                await copying.create_target_leaves(target, group)
            case steps.CreatePublication():
                await copying.create_publication(source, group)
            case steps.CreateSlot():
                await copying.create_slot(source, group)
            case steps.Subscribe():
                await copying.subscribe(target, group, self.subscription_conninfo(group.source))
            case steps.BuildIndexes():
                await copying.build_indexes(target, group)
            case steps.Verify():
                await opening.rehearse(target, group)
                await self._verify(group)
            case steps.Fence():
                self._fenced_at[group.link] = await fence.fence(self.sessions, group, self.drill)
            case steps.OpenTarget():
                await self._open(group)
            case steps.DetachSource():
                await copying.detach_source(source, group)
            case steps.Unsubscribe():
                await copying.unsubscribe(target, group)
            case steps.DropSlot():
                await copying.drop_slot(source, group)
            case steps.DropPublication():
                await copying.drop_publication(source, group)
            case steps.DropSourceLeaves():
                await copying.drop_leaves(source, group)
            case steps.DropTargetLeaves():
                await copying.drop_leaves(target, group)
            case steps.DropSentinels():
                await copying.drop_sentinel(source, group)
                await copying.drop_sentinel(target, group)
            case steps.ForgetGroup():
                await records.forget_group(target, group)
            case _:
                raise TypeError(f"no effect is known for {type(step).__name__}")

    async def _verify(self, group: SwitchGroup) -> None:
        """What was found is recorded. Where rows differ it is looked at again, but not without a rest."""
        differing = await verification.verify(self.sessions, group)
        if differing:
            sides = f"on {group.source} and {group.target}"
            message = (
                f"{differing} rows of switch group {group.number} differ {sides}: nothing switches until they are equal"
            )
            raise HeldUp("RowsDiffer", message, LOOK_AGAIN_SECONDS)

    async def _open(self, group: SwitchGroup) -> None:
        source, target = await self.sessions.get(group.source), await self.sessions.get(group.target)
        fenced_at = self._fenced_at.get(group.link)
        await opening.open_target(source, target, group, fenced_at)
        if fenced_at is not None:
            self.on_pause(time.monotonic() - self._fenced_at.pop(group.link))
