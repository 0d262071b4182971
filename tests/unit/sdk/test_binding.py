"""Finding a binding and reading it; every way in which it can be wrong is told in words."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from caisson import ConfigurationError
from caisson.binding import binding_reader, conninfo
from caisson.shard_map import Address

ENTRIES = {
    "type": "postgresql",
    "host": "flights-s0.demo.svc",
    "port": "5432",
    "database": "app",
    "username": "caisson_app",
    "password": "secret\n",
    "shards": '[{"shard": "s0", "host": "h0", "port": 5432, "read_host": "r0"}, {"shard": "s1", "host": "h1", "port": 1}]',
}


def write(path: Path, **changes: str | None) -> Path:
    path.mkdir()
    for name, text in {**ENTRIES, **changes}.items():
        if text is not None:
            (path / name).write_text(text)
    return path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path))
    return tmp_path


def test_a_binding_is_found_by_its_name(root: Path) -> None:
    write(root / "flights")
    write(root / "other")
    binding = binding_reader("flights", None, None)()
    assert binding.parameters == {"dbname": "app", "user": "caisson_app", "password": "secret"}
    assert binding.shards == {"s0": Address("h0", 5432, "r0"), "s1": Address("h1", 1)}


def test_a_binding_is_found_by_the_secrets_name_and_by_its_type(root: Path) -> None:
    write(root / "flights-binding")
    assert binding_reader("flights", None, None)().parameters == binding_reader("postgresql", None, None)().parameters


def test_two_bindings_of_a_type_are_not_guessed_between(root: Path) -> None:
    write(root / "a")
    write(root / "b")
    with pytest.raises(ConfigurationError, match=r"2 bindings of type 'postgresql' .* there are: a, b"):
        binding_reader("postgresql", None, None)


def test_a_missing_binding_is_told_with_those_that_are_there(root: Path) -> None:
    write(root / "other")
    with pytest.raises(ConfigurationError, match=r"no binding 'flights' .* there are: other"):
        binding_reader("flights", None, None)


def test_without_a_root_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVICE_BINDING_ROOT", raising=False)
    with pytest.raises(ConfigurationError, match="SERVICE_BINDING_ROOT is not set"):
        binding_reader("flights", None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "redis"}, "of type 'redis'"),
        ({"password": None}, "no entry 'password'"),
        ({"port": "five"}, "port 'five'"),
        ({"shards": "{"}, "'shards' that cannot be read"),
        ({"shards": '[{"shard": "s0"}]'}, "'shards' that cannot be read"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    read = binding_reader(None, write(tmp_path / "flights", **changes), None)
    with pytest.raises(ConfigurationError, match=message):
        read()


def test_a_binding_without_shards_is_a_seed(tmp_path: Path) -> None:
    binding = binding_reader(None, write(tmp_path / "flights", shards=None), None)()
    assert binding.seeds == (Address("flights-s0.demo.svc", 5432),)
    assert binding.shards == {}


def test_each_reading_is_fresh(tmp_path: Path) -> None:
    path = write(tmp_path / "flights")
    read = binding_reader(None, path, None)
    read()
    (path / "password").write_text("new")
    assert read().parameters["password"] == "new"


def test_a_dsn_is_a_seed_and_keeps_its_other_parameters() -> None:
    binding = binding_reader(None, None, "postgresql://me:pw@h:6000/app?sslmode=require")()
    assert binding.seeds == (Address("h", 6000),)
    assert binding.parameters == {"dbname": "app", "user": "me", "password": "pw", "sslmode": "require"}


@pytest.mark.parametrize("dsn", ["not a dsn", "dbname=app", "host=a,b port=1,2"])
def test_a_dsn_that_names_no_single_server_is_refused(dsn: str) -> None:
    with pytest.raises(ConfigurationError, match="dsn"):
        binding_reader(None, None, dsn)


def test_exactly_one_source_is_named() -> None:
    for given in ((None, None, None), ("a", None, "host=h")):
        with pytest.raises(ConfigurationError, match="one of"):
            binding_reader(*given)


def test_a_binding_with_an_authority_has_servers_verified_in_full(tmp_path: Path) -> None:
    path = write(tmp_path / "flights", **{"ca.crt": "pem"})
    parameters = binding_reader(None, path, None)().parameters
    assert (parameters["sslmode"], parameters["sslrootcert"]) == ("verify-full", str(path / "ca.crt"))


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ({"sslmode": "verify-full", "sslrootcert": "ca.crt", "ca.crt": "pem"}, ("verify-full", "{path}/ca.crt")),
        ({"sslmode": "verify-ca", "sslrootcert": "/etc/ca.pem"}, ("verify-ca", "/etc/ca.pem")),
        ({"sslmode": "require"}, ("require", None)),
        ({}, (None, None)),
    ],
)
def test_what_a_binding_says_of_tls_is_what_is_done(
    tmp_path: Path, entries: dict[str, str], found: tuple[str | None, str | None]
) -> None:
    path = write(tmp_path / "flights", **entries)
    parameters = binding_reader(None, path, None)().parameters
    mode, root = found
    assert (parameters.get("sslmode"), parameters.get("sslrootcert")) == (mode, root and root.format(path=path))


def test_a_binding_that_cannot_be_verified_with_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"sslmode 'verify-full', but no 'ca\.crt'"):
        binding_reader(None, write(tmp_path / "flights", sslmode="verify-full"), None)()


def test_a_binding_does_not_show_its_password(tmp_path: Path) -> None:
    assert "secret" not in repr(binding_reader(None, write(tmp_path / "flights"), None)())


def test_a_server_that_dies_is_noticed_within_seconds() -> None:
    binding = binding_reader(None, None, "host=h password='a b'")()
    options = conninfo_to_dict(conninfo(binding, "h", 1, application_name="x"))
    assert options["password"] == "a b"
    assert (options["keepalives_idle"], options["tcp_user_timeout"]) == ("2", "3000")
