"""The fake of effects/postgres/schema.py, logins.py, member_roles.py and records.py: one transaction each, except where the real one
has more.
"""

from collections.abc import Iterator

from caisson_operator.core.layout import RETIRED, RETIRING, SCHEMA_VERSION, group_tables, mark_rotation
from caisson_operator.effects.postgres.schema import FIRST_EPOCH
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.observed import Attachment, Claim, Expansion, GroupRecord, LeafState

from .access import Access
from .server import EngineError


def install_schema(access: Access, step: steps.InstallSchema) -> Iterator[str]:
    server = access.on(step.shard)
    server.live.version = SCHEMA_VERSION
    server.commit()
    yield "installed"


def apply_migration(access: Access, step: steps.ApplyMigration) -> Iterator[str]:
    server = access.on(step.shard)
    if step.id in server.live.migrations:
        raise EngineError(f"23505: migration {step.id} is recorded on {step.shard}")
    server.live.migrations[step.id] = step.checksum
    server.commit()
    yield "migrated"


def register_tables(access: Access, step: steps.RegisterTables) -> Iterator[str]:
    server = access.on(step.shard)
    for group in group_tables(step.tables).values():
        for bucket in group.all_buckets():
            server.live.gates.setdefault(bucket, 0)
    server.live.registered |= {table.name for table in step.tables}
    server.commit()
    yield "registered"


def publish_shards(access: Access, step: steps.PublishShards) -> Iterator[str]:
    server = access.on(step.shard)
    server.live.known_shards |= {address.shard for address in step.addresses}
    server.commit()
    yield "published"


def let_in(access: Access, step: steps.LetIn) -> Iterator[str]:
    server = access.on(step.shard)
    server.live.logins[step.login.role] = step.login.mark
    server.commit()
    yield "let in"


def retire_role(access: Access, step: steps.RetireRole) -> Iterator[str]:
    server = access.on(step.shard)
    server.live.logins[step.role] = RETIRING
    server.commit()
    yield "retired"


def change_operator_passwords(access: Access, step: steps.ChangeOperatorPasswords) -> Iterator[str]:
    server = access.on(step.shard)
    server.live.operator_rotation = step.rotation
    server.commit()
    yield "changed"


def let_members_in(access: Access, step: steps.LetMembersIn) -> Iterator[str]:
    server = access.on(step.shard)
    roles = access.find_member_roles(step.rotation)
    for each in (roles.replication, roles.rewind):
        server.live.member_roles[each.role] = mark_rotation(step.rotation)
        server.live.member_passwords[each.role] = each.password
    server.commit()
    yield "members let in"


def retire_member_roles(access: Access, step: steps.RetireMemberRoles) -> Iterator[str]:
    server = access.on(step.shard)
    for role in step.roles:
        server.live.member_roles[role] = RETIRED
        server.live.member_passwords.pop(role, None)
    server.commit()
    yield "members' roles retired"


def place_buckets(access: Access, step: steps.PlaceBuckets) -> Iterator[str]:
    server = access.on(step.shard)
    for bucket in step.buckets:
        for leaf in step.group.leaves(bucket.number):
            server.live.leaves.setdefault(leaf, LeafState(Attachment.ATTACHED))
        server.live.shard_map.setdefault(bucket, Claim(step.shard, FIRST_EPOCH))
        server.live.gates[bucket] = server.live.shard_map[bucket].epoch
    server.commit()
    yield "placed"


def start_expansion(access: Access, step: steps.StartExpansion) -> Iterator[str]:
    server = access.on(step.shard)
    found = Expansion(step.number, step.groups, step.from_shards, step.to_shards, False, access.cluster.now)
    server.live.expansions.setdefault(step.number, found)
    server.commit()
    yield "started"


def finish_expansion(access: Access, step: steps.FinishExpansion) -> Iterator[str]:
    server = access.on(step.shard)
    found = server.live.expansions[step.number]
    server.live.expansions[step.number] = Expansion(
        found.number,
        found.groups,
        found.from_shards,
        found.to_shards,
        True,
        found.started_at,
        found.finished_at or access.cluster.now,
        step.pause_milliseconds,
    )
    server.commit()
    yield "finished"


def record_group(access: Access, step: steps.RecordGroup) -> Iterator[str]:
    target = access.target(step.group)
    key = (step.group.expansion, step.group.number)
    record = GroupRecord(step.source_timeline, step.target_timeline, access.cluster.now)
    target.live.records.setdefault(key, record)
    target.commit()
    yield "recorded"


def forget_group(access: Access, step: steps.ForgetGroup) -> Iterator[str]:
    target = access.target(step.group)
    key = (step.group.expansion, step.group.number)
    target.live.records.pop(key, None)
    target.live.verified = frozenset(v for v in target.live.verified if v[:2] != key)
    target.commit()
    yield "forgotten"
