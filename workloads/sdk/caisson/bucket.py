"""The bucket of a key, as PostgreSQL itself computes it (`satisfies_hash_partition`).

Source of the formulas: PostgreSQL's `common/hashfn.c` (Bob Jenkins' lookup3, the seeded 64-bit form),
`partitioning/partbounds.c` (`compute_partition_hash_value`, HASH_PARTITION_SEED) and `common/hashfn.h`
(`hash_combine64`). Only what a client needs: which leaf is attached where does not belong here.
"""

import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from caisson.errors import BadKey, ConfigurationError

_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFFFFFFFFFF
_SEED_HIGH: Final = 0x7A5B2236
_SEED_LOW: Final = 0x7996DCFD
_COMBINE: Final = 0x49A0F4DD15E5A8E3
_CACHED_KEYS: Final = 65_536

_DATE_EPOCH: Final = date(2000, 1, 1)
_TIMESTAMP_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Hash = Callable[[Any], int]


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    a = ((a - c) ^ (c << 4 | c >> 28)) & _U32
    c = c + b & _U32
    b = ((b - a) ^ (a << 6 | a >> 26)) & _U32
    a = a + c & _U32
    c = ((c - b) ^ (b << 8 | b >> 24)) & _U32
    b = b + a & _U32
    a = ((a - c) ^ (c << 16 | c >> 16)) & _U32
    c = c + b & _U32
    b = ((b - a) ^ (a << 19 | a >> 13)) & _U32
    a = a + c & _U32
    c = ((c - b) ^ (b << 4 | b >> 28)) & _U32
    return a, b + a & _U32, c


def _final(a: int, b: int, c: int) -> int:
    c = (c ^ b) - (b << 14 | b >> 18) & _U32
    a = (a ^ c) - (c << 11 | c >> 21) & _U32
    b = (b ^ a) - (a << 25 | a >> 7) & _U32
    c = (c ^ b) - (b << 16 | b >> 16) & _U32
    a = (a ^ c) - (c << 4 | c >> 28) & _U32
    b = (b ^ a) - (a << 14 | a >> 18) & _U32
    c = (c ^ b) - (b << 24 | b >> 8) & _U32
    return b << 32 | c


@lru_cache(maxsize=1024)
def _seeded_start(length: int) -> tuple[int, int, int]:
    start = 0x9E3779B9 + length + 3923095 & _U32
    return _mix(start + _SEED_HIGH & _U32, start + _SEED_LOW & _U32, start)


def _hash_u32(value: int) -> int:
    a, b, c = _seeded_start(4)
    return _final(a + value & _U32, b, c)


def _hash_bytes(data: bytes) -> int:
    a, b, c = _seeded_start(len(data))
    whole = len(data) // 12 * 12
    for x, y, z in struct.iter_unpack("<3I", data[:whole]):
        a, b, c = _mix(a + x & _U32, b + y & _U32, c + z & _U32)
    if whole < len(data):
        # The lowest byte of c is the length's in lookup3, so the tail's bytes 8..10 sit one byte higher.
        x, y, z = struct.unpack("<3I", data[whole:].ljust(12, b"\0"))
        a, b, c = a + x & _U32, b + y & _U32, c + (z << 8) & _U32
    return _final(a, b, c)


def _hash_int32(value: int) -> int:
    return _hash_u32(value & _U32)


def _hash_int64(value: int) -> int:
    low, high = value & _U32, value >> 32 & _U32
    return _hash_u32(low ^ high if value >= 0 else low ^ high ^ _U32)


def _integer(bits: int, name: str) -> Hash:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    of = _hash_int32 if bits <= 32 else _hash_int64

    def hash_integer(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadKey(f"a key of type {name} is a Python int, not {type(value).__name__}")
        if not low <= value <= high:
            raise BadKey(f"{value} is out of range for {name}")
        return of(value)

    return hash_integer


def _hash_text(value: object) -> int:
    if not isinstance(value, str):
        raise BadKey(f"a key of type text is a Python str, not {type(value).__name__}")
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise BadKey(f"{value!r} cannot be encoded as UTF-8") from error
    if b"\0" in data:
        raise BadKey("PostgreSQL's text cannot hold a NUL character")
    return _hash_bytes(data)


def _hash_uuid(value: object) -> int:
    if isinstance(value, str):
        try:
            value = UUID(value)
        except ValueError as error:
            raise BadKey(f"{value!r} is not a uuid") from error
    if not isinstance(value, UUID):
        raise BadKey(f"a key of type uuid is a uuid.UUID or its text, not {type(value).__name__}")
    return _hash_bytes(value.bytes)


def _hash_date(value: object) -> int:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise BadKey(f"a key of type date is a datetime.date, not {type(value).__name__}")
    return _hash_int32((value - _DATE_EPOCH).days)


def _hash_timestamp(value: object) -> int:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise BadKey("a key of type timestamp with time zone is a datetime.datetime that has a time zone")
    return _hash_int64((value - _TIMESTAMP_EPOCH) // _MICROSECOND)


_HASHES: Final[dict[str, Hash]] = {
    "smallint": _integer(16, "smallint"),
    "integer": _integer(32, "integer"),
    "bigint": _integer(64, "bigint"),
    "text": _hash_text,
    "character varying": _hash_text,
    "uuid": _hash_uuid,
    "date": _hash_date,
    "timestamp with time zone": _hash_timestamp,
}
SUPPORTED_TYPES: Final = tuple(_HASHES)


@lru_cache(maxsize=256)
def bucket_function(key_types: tuple[str, ...], buckets: int) -> Callable[..., int]:
    """A function from the key's values (one argument a column) to its bucket, remembering the latest keys.

    Raises BadKey for a value that the column cannot hold. None is SQL's NULL, which PostgreSQL leaves out of the hash.
    """
    unknown = [name for name in key_types if name not in _HASHES]
    if unknown:
        raise ConfigurationError(f"no bucket function for {unknown}; supported: {', '.join(SUPPORTED_TYPES)}")
    hashes = tuple(_HASHES[name] for name in key_types)

    def bucket_of(*values: object) -> int:
        if len(values) != len(hashes):
            raise BadKey(f"the sharding key has {len(hashes)} column(s), {len(values)} value(s) were given")
        row = 0
        for hash_value, value in zip(hashes, values, strict=True):
            if value is not None:
                row ^= hash_value(value) + _COMBINE + (row << 54) + (row >> 7) & _U64
        return row % buckets

    return lru_cache(maxsize=_CACHED_KEYS, typed=True)(bucket_of)
