"""Layouts that work, and those that are refused with what is wrong about them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caisson.errors import ConfigurationError
from caisson.ids.layout import Layout


@pytest.mark.parametrize(
    ("bits", "problem"),
    [
        ("41+22+0", "22 worker bits leave no sequence"),
        ("41+10+13", "more than 63 bits"),
        ("0+10+12", "need a bit each"),
        ("41+0+12", "need a bit each"),
        ("41+10", "not of the form 41"),
        ("41+-1+12", "not of the form 41"),
    ],
)
def test_refuses_bits_that_cannot_work(bits: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Layout.of(bits)


@pytest.mark.parametrize("epoch", ["yesterday", "2026-01-01T00:00:00", "1969-12-31T23:59:59Z"])
def test_refuses_an_epoch_that_is_no_moment_since_1970(epoch: str) -> None:
    with pytest.raises(ConfigurationError, match="epoch"):
        Layout.of("41+10+12", epoch)


@given(st.data())
def test_an_id_says_what_it_was_made_of(data: st.DataObject) -> None:
    worker_bits = data.draw(st.integers(1, 20))
    sequence_bits = data.draw(st.integers(1, 22))
    layout = Layout(63 - worker_bits - sequence_bits, worker_bits, sequence_bits)
    end = min(layout.end_ms, 253_402_300_799_000)  # the year 9999, where datetime ends
    at = data.draw(st.integers(layout.epoch_ms, end - 1))
    worker = data.draw(st.integers(0, layout.workers - 1))
    sequence = data.draw(st.integers(0, layout.ids_per_millisecond - 1))
    id = layout.first_id(at, worker) + sequence
    decoded = layout.decode(id)
    assert 0 <= id < 1 << 63
    assert (decoded.worker, decoded.sequence) == (worker, sequence)
    assert round(decoded.at.timestamp() * 1000) == at


def test_refuses_to_decode_what_is_no_id() -> None:
    with pytest.raises(ConfigurationError):
        Layout().decode(-1)
    with pytest.raises(ConfigurationError):
        Layout().decode(1 << 63)
