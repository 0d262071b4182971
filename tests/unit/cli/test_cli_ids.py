"""`kubectl caisson id decode`: offline, by a resource, and what is no id."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from caisson.ids.layout import Layout, parse_epoch
from kubectl_caisson.__main__ import main
from kubectl_caisson.connection import Connection, Target
from kubectl_caisson.errors import NoCluster, NotFound

Run = Callable[..., tuple[int, str, str]]
PATH = "/apis/caisson.dev/v1alpha1/namespaces/demo/idallocators/orders"
LAYOUT = Layout.of("41+8+14", "2020-01-01T00:00:00Z")
AT_MS = parse_epoch("2026-11-27T10:12:32.041Z")


class OneAllocator:
    def __init__(self, mode: str) -> None:
        snowflake = {"timestampBits": 41, "workerBits": 8, "sequenceBits": 14, "epoch": "2020-01-01T00:00:00Z"}
        self.manifest = {"metadata": {"name": "orders"}, "spec": {"mode": mode, "snowflake": snowflake}}

    def get(self, path: str, query: Any = None) -> Any:
        if path != PATH:
            raise NotFound(f"there is no {path}")
        return self.manifest


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def type_in(*words: str, mode: str | None = None) -> tuple[int, str, str]:
        def open_connection(target: Target) -> Connection:
            if mode is None:
                raise NoCluster("there is none")
            return Connection(OneAllocator(mode), "demo")  # type: ignore[arg-type]

        code = main(("id", "decode", *words), open_connection)
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_in


def test_decodes_what_the_sdk_made_without_any_cluster(run: Run) -> None:
    id = LAYOUT.first_id(AT_MS, 200) + 77
    code, out, _ = run(str(id), "--bits", "41+8+14", "--epoch", "2020-01-01T00:00:00Z", "-o", "json")
    told = json.loads(out)
    assert code == 0
    assert (told["madeAt"], told["worker"], told["sequence"]) == ("2026-11-27T10:12:32.041Z", 200, 77)


def test_has_the_sdks_default_layout(run: Run) -> None:
    _, out, _ = run(str(Layout().first_id(AT_MS, 5)))
    assert "2026-11-27T10:12:32.041Z" in out
    assert "41+10+12 since 2026-01-01T00:00:00.000Z (the default)" in out


def test_takes_the_layout_from_the_resource(run: Run) -> None:
    _, out, _ = run(str(LAYOUT.first_id(AT_MS, 200)), "--resource", "orders", mode="snowflake")
    assert "2026-11-27T10:12:32.041Z" in out
    assert "(idalloc/orders)" in out


def test_reads_the_time_of_a_uuid(run: Run) -> None:
    assert "2022-02-22T19:22:22.000Z" in run("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")[1]


@pytest.mark.parametrize(
    ("words", "mode", "says"),
    [
        (("-5",), None, "is no id of layout"),
        (("x5",), None, "is no id of layout"),
        (("9223372036854775808",), None, "is no id of layout"),
        (("5", "--resource", "orders"), "segment", "neither when nor by whom"),
        (("5", "--resource", "orders"), None, "there is none"),
        (("5", "--resource", "others"), "snowflake", "there is no"),
        (("c232ab00-9414-11ec-b3c8-9f6bdeced846",), None, "not of version 7"),
        (("5-5",), None, "neither a number nor a UUID"),
    ],
)
def test_says_what_is_no_id(run: Run, words: tuple[str, ...], mode: str | None, says: str) -> None:
    code, out, error = run(*words, mode=mode)
    assert (code, out) == (1, "")
    assert says in error


@pytest.mark.parametrize("bits", ["41+10", "41+10+13", "0+10+12", "a+b+c"])
def test_refuses_bits_that_are_no_layout(run: Run, bits: str) -> None:
    with pytest.raises(SystemExit):
        run("5", "--bits", bits)
