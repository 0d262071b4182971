"""Orders of events written out move by move, each with what the room waits for, and without it, where somebody is refused."""

import pytest

from caisson_operator.sharded_database import member_passwords
from fakes.access import Guards

from .controls import begin_with_silent_ones, wait_to_adopt_only
from .members import MEMBERS, STANDBYS
from .world import CallRefused, NotLetIn, World


@pytest.fixture
def no_look_at_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_passwords, "list_unfollowed", lambda wanted, observed: [])


@pytest.fixture
def no_look_at_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_passwords, "list_lacking", lambda observed: [])


def prepare(world: World) -> None:
    """Until the Secret holds what is coming, every shard lets it in, and every member takes it."""
    world.ask()
    for _ in range(2):
        world.reconcile()
        world.members.all_follow()


def go_through(world: World, times: int) -> None:
    for _ in range(times):
        world.reconcile()
        world.members.all_follow()
        world.check()


def rotate_beside_a_silent_member(world: World) -> None:
    world.members.leave_or_return(MEMBERS[1], True)
    world.members.leave_or_return(MEMBERS[1], True)
    world.ask()
    go_through(world, 4)


def test_a_member_of_an_image_that_cannot_tell_keeps_what_it_knows() -> None:
    rotate_beside_a_silent_member(World())


def test_control_where_a_silent_member_is_not_waited_for_it_is_refused() -> None:
    with pytest.raises(CallRefused):
        rotate_beside_a_silent_member(World(begin_with_silent_ones))


def end_a_rotation_that_one_member_follows(world: World) -> None:
    prepare(world)
    world.reconcile()
    assert len(world.members.take(MEMBERS[0])) == 2
    for _ in range(4):
        world.reconcile()
        world.members.mount_follows(MEMBERS[0])
        world.members.loop(MEMBERS[0])
        world.check_calls()


def test_the_old_one_is_taken_for_as_long_as_somebody_sends_it() -> None:
    end_a_rotation_that_one_member_follows(World())


@pytest.mark.usefixtures("no_look_at_streams")  # they follow last
def test_control_where_it_is_taken_away_at_once_the_late_ones_are_refused() -> None:
    with pytest.raises(CallRefused, match=f"{MEMBERS[0]} refuses"):
        end_a_rotation_that_one_member_follows(World(wait_to_adopt_only))


def go_on_with_one_standby_that_streams_as_before(world: World) -> None:
    """Its Patroni goes by the new role and tells so, and has not given it to PostgreSQL yet."""
    prepare(world)
    world.reconcile()
    before = world.members.there[STANDBYS[0]].streams
    world.members.all_follow()
    world.members.there[STANDBYS[0]].streams = before
    for _ in range(2):
        world.reconcile()
        world.check_logins()


def test_the_old_roles_are_let_in_for_as_long_as_a_standby_streams_as_one() -> None:
    go_on_with_one_standby_that_streams_as_before(World())


@pytest.mark.usefixtures("no_look_at_streams")
def test_control_where_streams_are_not_looked_at_a_standby_is_not_let_in() -> None:
    with pytest.raises(NotLetIn, match=f"{STANDBYS[0]} is not let in as caisson_replication"):
        go_on_with_one_standby_that_streams_as_before(World())


def wake_up_after_the_next_rotation(world: World) -> None:
    """A leader that was about to retire the first roles, which have had their turn again when it goes on."""
    prepare(world)
    go_through(world, 1)
    world.look_and_fall_asleep()
    go_through(world, 2)
    prepare(world)
    go_through(world, 1)
    assert world.late_steps
    while world.late_steps:
        world.wake_up()
    world.check_logins()


def test_the_roles_that_are_stay_whatever_an_older_leader_was_about_to_do() -> None:
    wake_up_after_the_next_rotation(World())


def test_control_where_shards_do_not_know_of_leaders_the_older_one_takes_the_members_roles_away() -> None:
    with pytest.raises(NotLetIn):
        wake_up_after_the_next_rotation(World(guards=Guards(has_term=False)))


def rotate_while_a_shard_is_away(world: World) -> None:
    world.ask()
    world.reconcile()
    world.take_away("s1")
    go_through(world, 4)


def test_nobody_comes_as_a_role_that_a_shard_may_lack() -> None:
    rotate_while_a_shard_is_away(World())


@pytest.mark.usefixtures("no_look_at_shards")
def test_control_where_shards_are_not_waited_for_members_are_not_let_in() -> None:
    with pytest.raises(NotLetIn):
        rotate_while_a_shard_is_away(World())
