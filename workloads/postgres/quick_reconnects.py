"""A standby that could not reach its primary for a while finds it again within seconds of the end of that.

PostgreSQL sets no deadline for a standby's connecting. The kernel tries again after 1 s, then after twice as long each time: cut off for a
minute, a standby came up to a minute late, and `strict` writes waited for it. libpq's connect_timeout does not hold there, and Patroni passes on
none of libpq's options of TCP. Here it passes on `tcp_user_timeout`, which Linux holds connecting to as well.
"""

from typing import Any

# As patroni.yml has it for the other direction (in milliseconds); the next attempt comes wal_retrieve_retry_interval later.
OPTIONS = {"tcp_user_timeout": "3000"}


def reconnect_quickly(handler: Any) -> None:
    """`handler` is Patroni's class ConfigHandler. Raises AttributeError where it has no such methods any more."""
    primary_conninfo_params, format_dsn = handler.primary_conninfo_params, handler.format_dsn

    def find(self: Any, member: Any) -> Any:
        found = primary_conninfo_params(self, member)
        return found and {**found, **OPTIONS}

    def tell(self: Any, params: dict[str, Any]) -> str:
        """Patroni leaves out what is not in its own list."""
        options = (f"{name}={params[name]}" for name in OPTIONS if name in params)
        return " ".join([format_dsn(self, params), *options])

    handler.primary_conninfo_params, handler.format_dsn = find, tell
