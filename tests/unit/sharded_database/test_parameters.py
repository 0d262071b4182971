"""A value that the server would not take is refused before any member is given it; one that is taken out goes."""

from dataclasses import replace
from typing import Any

import pytest

from caisson_operator.core.decisions import Plan, Refused, Settled
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.configuring import decide_settings
from caisson_operator.sharded_database.manifests import build_cluster_settings
from caisson_operator.sharded_database.observed import Objects, Observed
from caisson_operator.sharded_database.parameters import ParameterKind, find_accepted, list_faults, refuse_faults
from caisson_operator.sharded_database.provisioning import build_objects, find_template
from fakes.members import see
from fakes.observations import build_wanted

KINDS = (
    ParameterKind("work_mem", "integer", "kB", 64, 2147483647),
    ParameterKind("shared_buffers", "integer", "8kB", 16, 1073741823),
    ParameterKind("statement_timeout", "integer", "ms", 0, 2147483647),
    ParameterKind("random_page_cost", "real", "", 0, 1e308),
    ParameterKind("max_connections", "integer", "", 1, 262143),
    ParameterKind("jit", "bool"),
    ParameterKind("wal_compression", "enum", choices=("pglz", "on", "off")),
    ParameterKind("search_path", "string"),
    ParameterKind("block_size", "integer", "", 8192, 8192, is_fixed=True),
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("work_mem", "64"),
        ("work_mem", "64kB"),
        ("work_mem", " 16 MB "),
        ("shared_buffers", "1GB"),
        ("statement_timeout", "2min"),
        ("statement_timeout", "0"),
        ("random_page_cost", "1.1"),
        ("jit", "ON"),
        ("wal_compression", "pglz"),
        ("search_path", '"$user", public'),
        ("pg_stat_statements.track", "all"),
    ],
)
def test_takes_what_the_server_takes(name: str, value: str) -> None:
    assert list_faults({name: value}, KINDS) == ()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("work_memory", "64MB", "PostgreSQL has no parameter work_memory"),
        ("work_mem", "lots", "work_mem is a number with one of the units B, kB, MB, GB, TB, not 'lots'"),
        ("work_mem", "10s", "work_mem is a number with one of the units"),
        ("work_mem", "32kB", "work_mem is 32kB, and must lie between 64 and 2.14748e+09 kB"),
        ("shared_buffers", "64kB", "must lie between 16"),
        ("max_connections", "0", "must lie between 1 and 262143"),
        ("max_connections", "10MB", "max_connections is a number, not '10MB'"),
        ("jit", "maybe", "jit is on or off, not 'maybe'"),
        ("wal_compression", "zip", "wal_compression is one of pglz, on, off, not 'zip'"),
        ("block_size", "8192", "block_size cannot be changed"),
    ],
)
def test_says_why_the_server_would_not_take_a_value(name: str, value: str, told: str) -> None:
    (fault,) = list_faults({name: value}, KINDS)
    assert told in fault


def test_every_fault_is_told_at_once() -> None:
    row = ("jit", "bool", "", 0.0, 0.0, (), False)
    with pytest.raises(Refused, match=r"jit is on or off.*has no parameter b"):
        refuse_faults({"jit": "maybe", "b": "1"}, [row])


def configured(has: dict[str, str], wants: dict[str, str]) -> tuple[Any, Observed]:
    """A database whose shards run with `has`, and whose resource says `wants`."""
    return build_wanted(1, parameters=wants), see(build_wanted(1, parameters=has))


def test_a_parameter_is_sent_once_the_server_has_been_asked() -> None:
    wanted, observed = configured({}, {"work_mem": "16MB"})
    decision = decide_settings(wanted, observed, is_expanding=False)
    assert isinstance(decision, Plan)
    sent = {"postgresql": {"parameters": {"work_mem": "16MB"}}, "caisson_parameters": ["work_mem"]}
    assert decision.steps == (
        steps.CheckParameters("s0", {"work_mem": "16MB"}),
        steps.ConfigureShard("s0", "flights-s0-0", sent),
    )


def test_a_parameter_that_is_taken_out_goes_back_to_its_default() -> None:
    wanted, observed = configured({"work_mem": "16MB", "jit": "on"}, {})
    decision = decide_settings(wanted, observed, is_expanding=False)
    assert isinstance(decision, Plan)
    (step,) = decision.steps  # there is nothing to ask the server
    assert isinstance(step, steps.ConfigureShard)
    assert step.settings["postgresql"] == {"parameters": {"work_mem": None, "jit": "off"}}


def test_what_is_there_is_not_sent_again() -> None:
    wanted, observed = configured({"work_mem": "16MB"}, {"work_mem": "16MB"})
    assert decide_settings(wanted, observed, is_expanding=False) == Settled()


def test_disk_settings_are_stronger_than_any_parameter() -> None:
    """As the definition refuses such a name, only a resource from before it could have one."""
    settings = build_cluster_settings(build_wanted(1).durability, 2, "2Gi", {"max_wal_size": "1TB"})
    assert settings["postgresql"]["parameters"]["max_wal_size"] == "256MB"


def test_a_shard_is_made_only_with_what_a_server_was_found_to_take() -> None:
    """A first server with a value that it does not take would never start, and nobody could be asked."""
    wanted, _ = configured({}, {"work_mem": "lots", "jit": "on"})
    text = str(build_objects(wanted, Objects(), Objects().login))
    assert "lots" not in text
    accepted = find_accepted(wanted.parameters, [{"postgresql": {"parameters": {"jit": "on", "work_mem": "4MB"}}}])
    assert accepted == {"jit": "on"}
    assert find_template(wanted, "s0") == find_template(replace(wanted, parameters={}), "s0")
