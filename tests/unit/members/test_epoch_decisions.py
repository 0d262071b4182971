"""What the agent of the epoch does next, from what its server and the record say."""

import pytest

from epoch_agent.decide import Action, Raise, Record, Rest, Serve, Server, Write, decide, must_raise

NOBODY = Record(0, "", "", "v1")
MINE = Record(5, "id", "cache-0", "v7")
HIGHER = Record(6, "other", "cache-1", "v9")


@pytest.mark.parametrize(
    ("server", "record", "action"),
    [
        (Server(True, "id"), NOBODY, Raise(1, "id", "v1")),
        (Server(True, "id", 5, "id"), MINE, Serve(5)),
        (Server(True, "id2", 5, "id"), MINE, Raise(6, "id2", "v7")),
        (Server(True, "id", 5, "id"), HIGHER, Rest()),
        (Server(True, "id2", 5, "id"), HIGHER, Raise(7, "id2", "v9")),
        (Server(True, "id"), MINE, Raise(6, "id", "v7")),
        (Server(True, "id2", 9, "id"), MINE, Raise(10, "id2", "v7")),
        (Server(False, "id", 5, "old"), MINE, Rest()),
    ],
    ids=[
        "the first primary of all",
        "a primary that serves",
        "one that was promoted or started anew",
        "an old one that goes on",
        "an old one that was started anew",
        "one whose key is gone",
        "one whose record is behind its key",
        "a replica",
    ],
)
def test_decides(server: Server, record: Record, action: Action) -> None:
    assert decide(server, record) == action


def test_a_number_that_the_server_refused_is_written_later_unless_a_higher_one_was_given() -> None:
    refused = Raise(5, "id", "v6")
    assert decide(Server(True, "id"), MINE, refused) == Write(5, "id")
    assert decide(Server(True, "id"), HIGHER, refused) == Raise(7, "id", "v9")
    assert decide(Server(True, "id2"), MINE, refused) == Raise(6, "id2", "v7")


def test_a_replica_needs_no_look_at_the_record() -> None:
    assert not must_raise(Server(False, "id"))
    assert not must_raise(Server(True, "id", 5, "id"))
    assert must_raise(Server(True, "id", 5, "old"))
