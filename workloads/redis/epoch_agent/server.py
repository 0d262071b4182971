"""This pod's Redis as the agent reads and writes it."""

from redis_member.resp import Connection

from .decide import Server

KEY = "caisson:epoch"

# Looks once more, since the server may have been demoted, promoted or wiped since it was read; and a number never goes back.
_WRITE = """
local told = redis.call('INFO', 'replication')
if not string.find(told, 'role:master', 1, true) then return 'DEMOTED' end
if not string.find(told, 'master_replid:' .. ARGV[2], 1, true) then return 'CHANGED' end
if tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0) >= tonumber(ARGV[1]) then return 'LOWER' end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'replid', ARGV[2])
return 'WRITTEN'
"""
WRITTEN = "WRITTEN"


def read_server(redis: Connection) -> Server:
    told = redis.info("replication")
    epoch, replid = _pair(redis.call("HMGET", KEY, "epoch", "replid"))
    return Server(told["role"] == "master", told["master_replid"], int(epoch or 0), replid or "")


def write_key(redis: Connection, epoch: int, replid: str) -> str:
    """WRITTEN, or why not: DEMOTED, CHANGED or LOWER."""
    return str(redis.call("EVAL", _WRITE, 1, KEY, epoch, replid))


def _pair(answer: object) -> tuple[str | None, str | None]:
    epoch, replid = answer if isinstance(answer, list) else (None, None)
    return epoch, replid
