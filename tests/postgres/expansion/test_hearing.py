"""A client learns of a bucket's new owner by NOTIFY: with no statement that is refused, and no clock that makes it look."""

from collections import Counter

import pytest

import caisson
import caisson.map_source
from postgres.expansion.stage import Stage
from postgres.sdk.pair import wait_until


def owners(database: caisson.ShardedDatabase) -> Counter[str]:
    return Counter(placement.shard for placement in database.shard_map.placements.values())


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caisson.map_source, "REREAD_SECONDS", 3600.0)


def test_whoever_listens_hears_of_new_owners_and_whoever_does_not_hears_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control is a client whose NOTIFY gets lost; by the time that the other has heard all, it has heard nothing."""
    with caisson.ShardedDatabase.connect(binding=stage.binding) as hearing:
        with monkeypatch.context() as patch:
            patch.setattr(caisson.map_source, "Listener", DeafListener)
            deaf = caisson.ShardedDatabase.connect(binding=stage.binding)
        with deaf:
            assert owners(hearing) == owners(deaf) == {"s0": 16}
            stage.expand()
            wait_until(lambda: owners(hearing) == {"s0": 8, "s1": 8})
            assert owners(deaf) == {"s0": 16}


class DeafListener(caisson.map_source.Listener):
    def _wait_for_bell(self, connection: object) -> None:
        self._bell.recv(4096)
