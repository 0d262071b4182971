"""ShardedDatabase as the frame sees it."""

from caisson_operator.api.resource import ShardedDatabase, load_sharded_database
from caisson_operator.core.news import find_failover_news
from caisson_operator.kind import Kind

from .events import tell_member
from .manifests.names import DATABASE_LABEL, KIND
from .room import build_room

SHARDED_DATABASE: Kind[ShardedDatabase] = Kind(
    KIND,
    "shardeddatabases",
    load_sharded_database,
    build_room,
    find_failover_news,
    name_label=DATABASE_LABEL,
    tell_pod=tell_member,
)
