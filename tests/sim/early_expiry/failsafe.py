"""failsafe_mode: a primary without the store asks every other member to bear with it, and goes on if all of them do.

Patroni's _handle_dcs_error, check_failsafe_topology and update_failsafe. Whoever has borne with it follows it for ttl, whatever the record
says; the primary's own request is not undone where another member refuses.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

from .member import Member

if TYPE_CHECKING:
    from .world import World


def go_on_without_store(world: "World", me: Member) -> Generator[str, None, None]:
    if not me.is_primary:
        return
    if world.rules.asks_before_going_on:
        answers = []
        for other in world.members.values():
            if other is not me:
                answers.append(bear(world, other, me))
                yield "asked"
        if not all(answers):
            me.demote()


def bear(world: "World", other: Member, me: Member) -> bool:
    """The other member's answer. One that is being promoted does not call itself a primary yet, and bears as well."""
    if other.name in world.silent:
        return False
    if other.calls_itself_primary and world.rules.leader_refuses_to_bear:
        return False
    world.memories[other.name].bear_with(me.name, world.now)
    return True
