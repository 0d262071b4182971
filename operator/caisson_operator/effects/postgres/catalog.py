"""Read one shard's catalogs and records into a row of plain values. Reads only; writes nothing, decides nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.rows import TupleRow

from caisson_operator.core.layout import (
    LOGIN_ROLES,
    MEMBER_ROLES,
    RETIRED,
    RETIRING,
    ROTATION_MARK,
    SUPERUSER,
    TableGroup,
)

from .fence import TIMELINE
from .opening import UNSETTLED
from .sessions import FENCE, Connection, fetch_value

READ_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that `observe` wants to know of one shard, in the server's own words."""

    timeline: int
    standbys: Sequence[tuple[Any, ...]]  # those that stream: (name, is synchronous, bytes not replayed yet, role)
    schema_version: int
    tables: Mapping[str, Mapping[str, Any]]
    leaves: Mapping[str, tuple[bool, bool, bool]]  # "schema.name" -> (attached, detach pending, tombstoned)
    own: Mapping[str, Sequence[tuple[Any, ...]]]  # the rows of `OWN`, by name
    row_estimates: Mapping[str, int] = field(default_factory=dict)  # name of an attached leaf -> rows, by statistics


async def read_catalog(connection: Connection, groups: Sequence[TableGroup], tables: Sequence[str]) -> Catalog:
    """All of it within READ_SECONDS, or TimeoutError: a hung server is a finding, not a place to wait."""
    names = [leaf.name for group in groups for leaf in group.leaves_of(range(group.buckets))]
    async with asyncio.timeout(READ_SECONDS):
        installed = bool(await fetch_value(connection, "SELECT to_regclass('caisson.version') IS NOT NULL"))
        asked: dict[str, tuple[str, Any]] = {
            "timeline": (TIMELINE, None),
            "standbys": (STANDBYS, None),
            "tables": (TABLES, (list(tables),)),
            "leaves": (LEAVES, (names,)),
            **({name: (text, None) for name, text in ({"version": VERSION} | OWN).items()} if installed else {}),
        }
        found = await _read_together(connection, asked)
    version = found["version"][0][0] if installed else 0
    return Catalog(
        timeline=found["timeline"][0][0],
        standbys=found["standbys"],
        schema_version=version or 0,
        tables={row[0]: dict(zip(TABLE_COLUMNS, row, strict=True)) for row in found["tables"]},
        leaves={
            f"{schema}.{name}": (attached, pending, stoned)
            for schema, name, attached, pending, stoned, _ in found["leaves"]
        },
        own={name: found[name] for name in OWN} if version else {},
        row_estimates={name: rows for _, name, attached, *_, rows in found["leaves"] if attached},
    )


async def _read_together(connection: Connection, asked: Mapping[str, tuple[str, Any]]) -> dict[str, list[TupleRow]]:
    """One message for all questions: they are asked of every shard, again and again, and each round trip would be paid."""
    async with connection.pipeline():
        cursors = {name: await connection.execute(text, params) for name, (text, params) in asked.items()}
    return {name: await cursor.fetchall() for name, cursor in cursors.items()}


# Physical ones: a subscription's walsender belongs to a database. Patroni gives each member's own name.
STANDBYS = """
SELECT r.application_name, r.sync_state IN ('sync', 'quorum'),
    coalesce(greatest(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), r.replay_lsn), 0), 0)::bigint, r.usename
FROM pg_stat_replication AS r JOIN pg_stat_activity AS a USING (pid)
WHERE r.state = 'streaming' AND a.datname IS NULL
"""

TABLE_COLUMNS = (
    "name",
    "kind",
    "strategy",
    "partition_key",
    "key_types",
    "primary_key",
    "foreign_keys_to",
    "referenced_by",
    "has_deferrable_key",
    "nondeterministic_key",
)

TABLES = """
SELECT relname, relkind::text, coalesce(partstrat::text, ''),
    ARRAY(SELECT attname::text FROM unnest(partattrs::int2[]) WITH ORDINALITY AS key (number, place)
          JOIN pg_attribute ON attnum = number AND attrelid = pg_class.oid ORDER BY place),
    ARRAY(SELECT format_type(atttypid, NULL) FROM unnest(partattrs::int2[]) WITH ORDINALITY AS key (number, place)
          JOIN pg_attribute ON attnum = number AND attrelid = pg_class.oid ORDER BY place),
    ARRAY(SELECT attname::text FROM pg_index, unnest(indkey::int2[]) AS key (number)
          JOIN pg_attribute ON attnum = number
          WHERE indrelid = pg_class.oid AND indisprimary AND attrelid = indrelid),
    ARRAY(SELECT DISTINCT target.relname::text FROM pg_constraint JOIN pg_class AS target ON target.oid = confrelid
          WHERE conrelid = pg_class.oid AND contype = 'f'),
    ARRAY(SELECT DISTINCT other.relname::text FROM pg_constraint JOIN pg_class AS other ON other.oid = conrelid
          WHERE contype = 'f' AND conparentid = 0 AND (confrelid = pg_class.oid
              OR confrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = pg_class.oid))),
    EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary AND NOT indimmediate),
    ARRAY(SELECT attname::text FROM unnest(partattrs::int2[], partcollation::oid[]) AS key (number, used)
          JOIN pg_attribute ON attnum = number AND attrelid = pg_class.oid
          WHERE EXISTS (SELECT FROM pg_collation AS c WHERE c.oid IN (used, attcollation) AND NOT collisdeterministic))
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_partitioned_table ON partrelid = pg_class.oid
WHERE nspname = 'public' AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relname = ANY(%s)
"""

# Rows: reltuples is old after many writes and -1 before the first ANALYZE, the running count is lost in a crash.
LEAVES = """
SELECT nspname, relname, inhrelid IS NOT NULL, coalesce(inhdetachpending, false), coalesce(tgenabled <> 'D', false),
    greatest(reltuples, pg_stat_get_live_tuples(pg_class.oid), 0)::bigint
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_inherits ON inhrelid = pg_class.oid
LEFT JOIN pg_trigger ON tgrelid = pg_class.oid AND tgname = 'caisson_moved'
WHERE nspname IN ('public', 'caisson') AND relkind = 'r' AND relname = ANY(%s)
"""

VERSION = "SELECT max(version) FROM caisson.version"

# What stands in or because of the schema `caisson`.
OWN: dict[str, str] = {
    "migrations": "SELECT id, checksum FROM caisson.migrations ORDER BY position",
    "registered": "SELECT name FROM caisson.tables",
    "shards": "SELECT shard FROM caisson.shards",
    "map": "SELECT table_group, bucket, owner, epoch FROM caisson.shard_map",
    "expansion": """SELECT id, format, state, plan, pauses, created_at, finished_at
        FROM caisson.expansion ORDER BY id DESC LIMIT 1""",
    "groups": """SELECT expansion, number, source_timeline, target_timeline, copy_started_at, copied_at, indexed_at IS NOT NULL, row_count,
        verified_at IS NOT NULL, mismatches, switched_at, pause_milliseconds FROM caisson.switch_group
        WHERE expansion = (SELECT max(expansion) FROM caisson.switch_group)""",
    "publications": "SELECT pubname FROM pg_publication WHERE pubname LIKE 'caisson\\_%'",
    "slots": """SELECT slot_name, coalesce(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), confirmed_flush_lsn), 0)::bigint
        FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database()""",
    "lost_slots": "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() AND wal_status = 'lost'",
    "subscriptions": """SELECT subname, subenabled, count(srrelid), count(srrelid) FILTER (WHERE srsubstate = 'r'),
            EXISTS (SELECT FROM pg_stat_subscription AS s WHERE s.subid = oid AND s.pid IS NOT NULL AND s.relid IS NULL)
        FROM pg_subscription LEFT JOIN pg_subscription_rel ON srsubid = oid
        WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        GROUP BY oid, subname, subenabled""",
    # Of what the server runs with: a subscription has a worker and an origin, a slot mostly a WAL sender. The launcher is a worker too.
    "spare": """SELECT least(current_setting('max_logical_replication_workers')::int, current_setting('max_worker_processes')::int - 1,
            current_setting('max_replication_slots')::int) - (SELECT count(*) FROM pg_subscription)::int,
        least(current_setting('max_replication_slots')::int, current_setting('max_wal_senders')::int)
            - (SELECT count(*) FROM pg_replication_slots)::int""",
    "sentinels": """SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'caisson' AND relkind = 'r' AND relname LIKE 'sentinel\\_%'""",
    "arrived": """SELECT relname, greatest(n_tup_ins, 0) + coalesce((SELECT sum(tuples_processed)
            FROM pg_stat_progress_copy AS p WHERE p.relid = s.relid AND p.command = 'COPY FROM'), 0)::bigint
        FROM pg_stat_user_tables AS s JOIN pg_subscription_rel ON srrelid = relid WHERE relname NOT LIKE 'sentinel\\_%'""",
    "open_fences": f"""SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE '{FENCE}/%'""",
    "unsettled": UNSETTLED,
    "logins": f"""SELECT rolname, CASE WHEN note = '{RETIRED}' AND rolvaliduntil > now() THEN '{RETIRING}' ELSE note END
        FROM pg_roles, coalesce(shobj_description(oid, 'pg_authid'), '') AS note WHERE rolname = ANY('{{{",".join(LOGIN_ROLES)}}}')""",
    "operator_rotation": f"""SELECT substr(note, {len(ROTATION_MARK) + 1}) FROM pg_roles, shobj_description(oid, 'pg_authid') AS note
        WHERE rolname = '{SUPERUSER}' AND starts_with(note, '{ROTATION_MARK}')""",
    "member_roles": f"""SELECT rolname, CASE WHEN rolcanlogin THEN coalesce(shobj_description(oid, 'pg_authid'), '') ELSE '{RETIRED}' END
        FROM pg_roles WHERE rolname = ANY('{{{",".join(MEMBER_ROLES)}}}')""",
    "member_sessions": f"""SELECT DISTINCT usename FROM pg_stat_activity WHERE usename = ANY('{{{",".join(MEMBER_ROLES)}}}')""",
    # Of every database: a new slot waits for whatever has a transaction id on its server. Never the query, which may hold secrets.
    "prepared": """SELECT gid, owner::text, database::text, extract(epoch FROM clock_timestamp() - prepared)::float8,
            database = current_database()
        FROM pg_prepared_xacts ORDER BY prepared""",
    "writer": """SELECT pid, coalesce(usename::text, backend_type), application_name, datname::text,
            extract(epoch FROM clock_timestamp() - xact_start)::float8
        FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1""",
}
