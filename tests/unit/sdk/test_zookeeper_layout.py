"""Who is in whose way in a queue on ZooKeeper, and whom a waiter watches."""

from hypothesis import given
from hypothesis import strategies as st

from caisson.locks.store import Claim, Mode
from caisson.locks.zookeeper.layout import (
    Node,
    Space,
    build_prefix,
    build_token,
    find_holders,
    find_place,
    read_node,
    read_queue,
)

MODES = st.sampled_from(list(Mode))
CLAIMS = st.builds(lambda mode: Claim("a", mode, 2 if mode is Mode.PERMIT else 1), MODES)


def node(claim: Claim, sequence: int) -> Node:
    name = f"{build_prefix(claim, f'o{sequence}')}{sequence:010d}"
    found = read_node(name)
    assert found is not None
    return found


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_and_any_owner_make_one_node_each(name: str, owner: str) -> None:
    name, owner = (text.encode("utf-8", "replace").decode() for text in (name, owner))
    path = Space("tests/space").parent(name)
    assert path.count("/") == 6
    assert not path.endswith(("/.", "/.."))
    found = read_node(f"{build_prefix(Claim(name), owner)}0000000007")
    assert found is not None
    assert (found.owner, found.sequence, found.mode) == (owner, 7, Mode.EXCLUSIVE)


def test_what_others_have_left_under_a_parent_is_not_in_the_queue() -> None:
    assert read_queue(["lock-0000000001", "x.owner.", "q.owner.0000000001", "x..0000000001", "x.me.0000000002"]) == [
        Node("x.me.0000000002", Mode.EXCLUSIVE, 1, "me", 2)
    ]


def test_an_exclusive_claim_watches_only_the_one_in_front_of_it() -> None:
    queue = [node(Claim("a"), sequence) for sequence in range(50)]
    for position, each in enumerate(queue):
        assert find_place(queue, each).watched == tuple(queue[max(0, position - 1) : position])


@given(st.lists(CLAIMS, min_size=1, max_size=12), st.data())
def test_whoever_is_let_in_watched_the_one_that_went(claims: list[Claim], data: st.DataObject) -> None:
    queue = [node(claim, sequence) for sequence, claim in enumerate(claims)]
    leaver = data.draw(st.sampled_from(queue))
    after = [each for each in queue if each != leaver]
    for each in after:
        before = find_place(queue, each)
        if not before.is_granted and find_place(after, each).is_granted:
            assert leaver in before.watched


@given(st.lists(CLAIMS, max_size=12))
def test_those_who_hold_do_not_exclude_each_other(claims: list[Claim]) -> None:
    holders = find_holders([node(claim, sequence) for sequence, claim in enumerate(claims)])
    exclusive = [each for each in holders if each.mode is Mode.EXCLUSIVE]
    shared = [each for each in holders if each.mode is Mode.SHARED]
    permits = [each for each in holders if each.mode is Mode.PERMIT]
    assert len(exclusive) <= 1
    assert not (exclusive and shared)
    assert len(permits) <= 2
    assert bool(exclusive or shared) == any(claim.mode is not Mode.PERMIT for claim in claims)


@given(st.lists(CLAIMS, max_size=12), CLAIMS)
def test_nobody_who_comes_changes_the_place_of_those_who_are_there(claims: list[Claim], newcomer: Claim) -> None:
    queue = [node(claim, sequence) for sequence, claim in enumerate(claims)]
    longer = [*queue, node(newcomer, len(queue))]
    assert [find_place(queue, each) for each in queue] == [find_place(longer, each) for each in queue]


@given(st.integers(0, 2**22 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**22 - 1), st.integers(0, 2**32 - 1))
def test_tokens_are_ordered_as_the_ensemble_orders_its_transactions(e: int, c: int, f: int, d: int) -> None:
    first, second = build_token(0, e << 32 | c), build_token(0, f << 32 | d)
    assert (first < second) == ((e, c) < (f, d))


def test_the_number_of_the_space_lifts_all_tokens_of_an_ensemble_that_begins_again() -> None:
    assert build_token(4096, 1 << 32 | 1) > build_token(0, 4095 << 32 | 0xFFFFFFFF)
