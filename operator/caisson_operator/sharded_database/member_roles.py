"""Whom the shards let in of the roles that members come to each other as, for replication and rewind. Pure.

A part of what member_passwords.py decides: that says when everybody was seen to be where he is wanted, this says it of the shards.
Two roles take turns for each purpose. A shard lets in the ones that are and the ones that are coming, and the others until
nobody comes as them: its standbys stream as the ones that are, and no session of the others is open.
"""

from collections.abc import Iterator

from caisson_operator.core.layout import MEMBER_ROLES, RETIRED, mark_rotation

from . import steps
from .manifests import ShardNames
from .observed import Objects, Observed, Shard
from .wanted import Wanted


def list_let_in(observed: Observed) -> Iterator[steps.LetMembersIn]:
    """What is due at once on the shards that are there, whatever they come back from: members may need it any moment."""
    objects = observed.objects
    for shard in observed.shards.values():
        if shard.schema_version and not _lets_in(shard, objects.member_roles, objects.member_rotation):
            yield steps.LetMembersIn(shard.name, objects.member_rotation)
        elif shard.schema_version and objects.coming_member_roles and not _lets_in_coming(shard, objects):
            yield steps.LetMembersIn(shard.name, objects.coming_member_rotation or "")


def list_lacking(observed: Observed) -> list[str]:
    """The shards that were not seen to let in all that the Secret holds to come with."""
    found = {name: observed.shards.get(name) for name in observed.objects.shards}
    return sorted(name for name, shard in found.items() if shard is None or not _lets_all_in(shard, observed.objects))


def list_retired(observed: Observed) -> Iterator[steps.RetireMemberRoles]:
    """What is due once everybody comes as somebody else."""
    for shard in observed.shards.values():
        if roles := _list_open(shard, observed.objects):
            yield steps.RetireMemberRoles(shard.name, roles)


def list_unfollowed(wanted: Wanted, observed: Observed) -> list[str]:
    """The shards of which not every standby was seen to stream as the role that is, or where somebody is in as one that was."""
    found = {name: observed.shards.get(name) for name in observed.objects.shards}
    return sorted(
        name for name, shard in found.items() if shard is None or not _is_followed(wanted, shard, observed.objects)
    )


def _is_followed(wanted: Wanted, shard: Shard, objects: Objects) -> bool:
    scope = ShardNames(wanted.database.name, shard.name).scope
    members = {f"{scope}-{number}" for number in range(wanted.members)}
    followers = {name for name, standby in shard.standbys.items() if standby.user == objects.member_roles[0]}
    return len(members & followers) >= wanted.members - 1 and not shard.member_sessions & set(
        _list_open(shard, objects)
    )


def _list_open(shard: Shard, objects: Objects) -> tuple[str, ...]:
    """Roles that this shard lets in, and that nobody is to come as any more."""
    held = {*objects.member_roles, *objects.coming_member_roles}
    return tuple(role for role in MEMBER_ROLES if role not in held and shard.member_roles.get(role, RETIRED) != RETIRED)


def _lets_all_in(shard: Shard, objects: Objects) -> bool:
    return _lets_in(shard, objects.member_roles, objects.member_rotation) and _lets_in_coming(shard, objects)


def _lets_in_coming(shard: Shard, objects: Objects) -> bool:
    return _lets_in(shard, objects.coming_member_roles, objects.coming_member_rotation or "")


def _lets_in(shard: Shard, roles: tuple[str, ...], rotation: str) -> bool:
    return all(shard.member_roles.get(role) == mark_rotation(rotation) for role in roles)
