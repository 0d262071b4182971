"""What a standby connects with, by Patroni's own class as it is and as it is changed."""

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from patroni.dcs import Member
from patroni.postgresql.config import ConfigHandler, parse_dsn

from fakes.programs import load_program

program = load_program("quick_reconnects")
PRIMARY = Member.from_node("1", "s0-0", None, '{"conn_url": "postgres://10.0.0.1:5432/postgres"}')
ITSELF = Member.from_node("1", "s0-1", None, '{"conn_url": "postgres://10.0.0.2:5432/postgres"}')


def build_handler(is_changed: bool) -> Any:
    class Handler(ConfigHandler):  # type: ignore[misc]
        """A class of its own, since it may be changed."""

        replication: ClassVar = {"user": "caisson_replication", "password": "x y"}

    if is_changed:
        program.reconnect_quickly(Handler)
    handler = object.__new__(Handler)
    handler._postgresql = SimpleNamespace(
        name="s0-1", major_version=150000, database="postgres", is_starting=lambda: True
    )
    handler._krbsrvname = None
    return handler


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_standby_connects_with_a_deadline(is_changed: bool) -> None:
    handler = build_handler(is_changed)
    told = handler.format_dsn(handler.primary_conninfo_params(PRIMARY))
    assert ("tcp_user_timeout=3000" in told.split()) == is_changed
    assert "host=10.0.0.1" in told.split()


def test_what_it_has_so_connected_with_is_what_is_wanted() -> None:
    """Or Patroni would reload it in every loop."""
    handler = build_handler(is_changed=True)
    wanted = handler.primary_conninfo_params(PRIMARY)
    assert handler._check_primary_conninfo(parse_dsn(handler.format_dsn(wanted)), dict(wanted))
    without = {name: value for name, value in wanted.items() if name not in program.OPTIONS}
    assert not handler._check_primary_conninfo(parse_dsn(handler.format_dsn(without)), dict(wanted))


def test_nobody_is_followed_where_there_is_nobody_to_follow() -> None:
    handler = build_handler(is_changed=True)
    assert handler.primary_conninfo_params(None) is None
    assert handler.primary_conninfo_params(ITSELF) is None


def test_other_connections_are_told_as_before() -> None:
    params = {"host": "10.0.0.1", "user": "caisson_rewind"}
    assert build_handler(is_changed=True).format_dsn(params) == build_handler(is_changed=False).format_dsn(params)
