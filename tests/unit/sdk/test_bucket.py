"""Known buckets (taken from a PostgreSQL 15 server) and what the function refuses. tests/postgres/sdk asks the server."""

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest

from caisson import BadKey, ConfigurationError
from caisson.bucket import SUPPORTED_TYPES, bucket_function

UUID_TEXT = "0b9ae2a6-6f2c-4a34-9d58-b3a6b8f2d0c1"

KNOWN = [
    (("text",), ("N14228",), 27),
    (("text",), ("",), 38),
    (("text",), ("åéî and more than twelve bytes",), 16),
    (("character varying",), ("N14228",), 27),
    (("smallint",), (-7,), 26),
    (("integer",), (1,), 56),
    (("bigint",), (1,), 56),
    (("bigint",), (-5000000000,), 11),
    (("uuid",), (UUID_TEXT,), 45),
    (("date",), (date(2013, 1, 1),), 57),
    (("timestamp with time zone",), (datetime(2013, 1, 1, 10, 30, 15, 123456, tzinfo=UTC),), 44),
    (("text", "bigint"), ("N14228", 17), 49),
    (("text", "bigint"), (None, 17), 44),
    (("text",), (None,), 0),
]


@pytest.mark.parametrize(("key_types", "key", "bucket"), KNOWN)
def test_known_buckets_of_64(key_types: tuple[str, ...], key: tuple[object, ...], bucket: int) -> None:
    assert bucket_function(key_types, 64)(*key) == bucket


def test_the_same_instant_in_another_zone_is_the_same_bucket() -> None:
    bucket_of = bucket_function(("timestamp with time zone",), 1024)
    noon = datetime(2013, 1, 1, 12, tzinfo=UTC)
    assert bucket_of(noon) == bucket_of(noon.astimezone(timezone(timedelta(hours=5))))


def test_a_uuid_may_be_given_as_text() -> None:
    bucket_of = bucket_function(("uuid",), 1024)
    assert bucket_of(UUID_TEXT) == bucket_of(UUID(UUID_TEXT))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smallint", 2**15),
        ("integer", -(2**31) - 1),
        ("bigint", 2**63),
        ("bigint", "1"),
        ("bigint", True),
        ("bigint", 1.0),
        ("text", b"x"),
        ("text", "a\0b"),
        ("text", "\ud800"),
        ("uuid", "not one"),
        ("uuid", 5),
        ("date", datetime(2013, 1, 1)),
        ("date", "2013-01-01"),
        ("timestamp with time zone", datetime(2013, 1, 1)),
        ("timestamp with time zone", date(2013, 1, 1)),
    ],
)
def test_a_value_that_the_column_cannot_hold_is_refused(name: str, value: object) -> None:
    with pytest.raises(BadKey):
        bucket_function((name,), 64)(value)


def test_a_cached_key_does_not_let_another_type_through() -> None:
    bucket_of = bucket_function(("bigint",), 64)
    bucket_of(1)
    with pytest.raises(BadKey):
        bucket_of(1.0)


def test_the_number_of_values_must_match() -> None:
    with pytest.raises(BadKey, match="2 column"):
        bucket_function(("text", "text"), 64)("a")


def test_an_unsupported_type_is_named_with_what_is_supported() -> None:
    with pytest.raises(ConfigurationError, match="point") as raised:
        bucket_function(("point",), 64)
    assert all(name in str(raised.value) for name in SUPPORTED_TYPES)
