"""PostgreSQL's parameters in a resource: which a user may set, and which Caisson has for itself."""

from typing import Annotated

from pydantic import Field

from .base import rule, rules

NAME = "^[a-z_][a-z0-9_]*([.][a-z_][a-z0-9_]*)?$"
# What durability, replication, failover, TLS and expansions stand on, and what names a file or loads one.
RESERVED = (
    "allow_in_place_tablespaces",
    "archive_.*",
    "cluster_name",
    "default_transaction_.*",
    "event_source",
    "fsync",
    "full_page_writes",
    "hot_standby.*",
    "ignore_checksum_failure",
    "listen_addresses",
    "log_destination",
    "log_filename",
    "log_line_prefix",
    "log_timezone",
    "logging_collector",
    "max_logical_replication_workers",
    "max_replication_slots",
    "max_slot_wal_keep_size",
    "max_sync_workers_per_subscription",
    "max_wal_senders",
    "max_wal_size",
    "password_encryption",
    "port",
    "primary_.*",
    "recovery_.*",
    "restart_after_crash",
    "restore_command",
    "ssl.*",
    "synchronous_.*",
    "tcp_.*",
    "timezone",
    "unix_socket_.*",
    "wal_keep_size",
    "wal_level",
    "wal_log_hints",
    "wal_receiver_.*",
    "wal_retrieve_retry_interval",
    "wal_sender_timeout",
    "zero_damaged_pages",
    ".*_(directory|file|file_mode|libraries|library|library_path)",
)
_IS_RESERVED = f"name.matches('^({'|'.join(RESERVED)})$')"

Parameters = Annotated[
    dict[str, Annotated[str, Field(max_length=256)]],
    Field(
        max_length=64,
        json_schema_extra=rules(
            rule(
                f"self.all(name, size(name) <= 63 && name.matches('{NAME}'))",
                "a parameter's name is one of PostgreSQL's, in lower case",
            ),
            rule(
                f"self.all(name, !{_IS_RESERVED})",
                "a parameter is Caisson's own: durability, replication, failover, TLS or expansions stand on it, or it names a file",
            ),
        ),
    ),
]
