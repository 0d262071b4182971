"""The engine image's own configuration, and that it and the manifests speak of the same names."""

import fcntl
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from caisson_operator.core import certificates
from caisson_operator.effects import patroni
from caisson_operator.sharded_database import access, credentials, member_credentials
from caisson_operator.sharded_database.credentials import build_credentials
from caisson_operator.sharded_database.manifests import (
    DatabaseIdentity,
    ShardManifestInput,
    names,
    services,
    stateful_set,
)
from caisson_operator.sharded_database.patroni_state import read_member_state
from early_expiry.observe import AUTHORITY, Ports
from fakes.programs import FOLDER, load_program

member, follow_certificate = load_program("member"), load_program("follow_certificate")
mounted_secret, restapi_passwords = load_program("mounted_secret"), load_program("restapi_passwords")
TEMPLATE: dict[str, Any] = yaml.safe_load(member.TEMPLATE.read_text())
PASSWORDS = build_credentials(lambda name: f"pw-{name}").to_keys()
SHARD = ShardManifestInput(DatabaseIdentity("flights", "demo", "uid"), "s0", 2, "image", "1Gi")


def test_image_and_manifests_agree_on_labels_and_ports() -> None:
    kubernetes = TEMPLATE["kubernetes"]
    assert kubernetes["scope_label"] == names.SCOPE_LABEL
    assert kubernetes["role_label"] == names.ROLE_LABEL
    assert kubernetes["follower_label_value"] == names.REPLICA
    assert kubernetes["ports"] == [{"name": services.POSTGRESQL["name"], "port": services.POSTGRESQL["port"]}]
    assert (member.POSTGRESQL_PORT, member.RESTAPI_PORT) == (names.POSTGRESQL_PORT, names.RESTAPI_PORT)
    assert Ports() == Ports(names.POSTGRESQL_PORT, names.RESTAPI_PORT)


def test_the_agent_of_early_expiry_is_in_the_image_where_the_manifests_look_for_it() -> None:
    assert "COPY early_expiry /opt/caisson/early_expiry/" in (FOLDER / "Dockerfile").read_text().splitlines()
    table = (Path(__file__).parents[3] / "tests/kind/images").read_text()
    assert any(line.split()[:1] == ["postgres"] and "early_expiry" in line.split() for line in table.splitlines())
    assert str(member.VOLUME) == stateful_set.DATA_PATH


def test_image_and_operator_agree_on_the_keys_of_the_rest_apis_passwords() -> None:
    assert mounted_secret.PREFIXES == ("", credentials.COMING, credentials.PREVIOUS)
    assert mounted_secret.ROTATION == member_credentials.ROTATION
    assert restapi_passwords.PASSWORD == member_credentials.PASSWORD
    assert restapi_passwords.USER == patroni.RESTAPI_USER
    assert mounted_secret.CREDENTIALS == member.CREDENTIALS
    assert read_member_state(f'{{"{restapi_passwords.RestapiPasswords.told}": ["r1"]}}').restapi_rotations == ("r1",)


def test_every_program_of_the_image_is_sent_and_copied() -> None:
    table = (Path(__file__).parents[3] / "tests/kind/images").read_text().splitlines()
    sent = next(line.split() for line in table if line.startswith("postgres "))
    copied = (FOLDER / "Dockerfile").read_text().split()
    for program in FOLDER.glob("*.py"):
        assert program.name in sent
        assert program.name in copied


def test_settings_of_the_resource_lie_upon_those_of_the_image() -> None:
    settings = {"synchronous_mode": True, "postgresql": {"parameters": {"max_wal_size": "1GB"}}}
    dcs = member.build_configuration(TEMPLATE, settings, PASSWORDS, "10.0.0.1")["bootstrap"]["dcs"]
    assert dcs["synchronous_mode"] is True
    assert dcs["postgresql"]["parameters"]["max_wal_size"] == "1GB"
    assert dcs["postgresql"]["parameters"]["wal_level"] == "logical"
    assert dcs["ttl"] == 20


@pytest.mark.parametrize(("pod_ip", "address"), [("10.0.0.1", "10.0.0.1:5432"), ("fd00::1", "[fd00::1]:5432")])
def test_members_name_the_address_of_their_pod(pod_ip: str, address: str) -> None:
    configuration = member.build_configuration(TEMPLATE, {}, PASSWORDS, pod_ip)
    assert configuration["postgresql"]["connect_address"] == address


def test_each_role_gets_its_own_password() -> None:
    configuration = member.build_configuration(TEMPLATE, {}, PASSWORDS, "10.0.0.1")
    roles = configuration["postgresql"]["authentication"]
    found = {role: (one["username"], one["password"]) for role, one in roles.items()}
    assert found == {
        "superuser": ("postgres", "pw-superuser"),
        "replication": ("caisson_replication", "pw-replication"),
        "rewind": ("caisson_rewind", "pw-rewind"),
    }
    assert configuration["restapi"]["authentication"] == {"username": "caisson", "password": "pw-restapi"}


def test_nobody_is_let_in_over_the_network_without_tls_and_a_password() -> None:
    for line in TEMPLATE["postgresql"]["pg_hba"]:
        kind, *_, method = line.split()
        assert kind in ("local", "hostssl")
        assert method == "scram-sha-256" or (kind, method) == ("local", "peer")
    assert TEMPLATE["postgresql"]["parameters"]["ssl"] == "on"


def test_members_verify_each_other_by_the_authority_of_the_database() -> None:
    mount = {m["name"]: m["mountPath"] for m in stateful_set.build_container(SHARD)["volumeMounts"]}["certificate"]
    authority = f"{mount}/{certificates.AUTHORITY_KEY}"
    pair = {"certfile": f"{mount}/{certificates.CERTIFICATE_KEY}", "keyfile": f"{mount}/{certificates.PRIVATE_KEY}"}
    for role in TEMPLATE["postgresql"]["authentication"].values():
        assert (role["sslmode"], role["sslrootcert"]) == ("verify-ca", authority)
    assert pair.items() <= TEMPLATE["restapi"].items()
    # Without a certificate of their own, "insecure" would mean that nothing is verified.
    assert TEMPLATE["ctl"] == {"insecure": True, "cacert": authority, **pair}
    parameters = TEMPLATE["postgresql"]["parameters"]
    assert (parameters["ssl_cert_file"], parameters["ssl_key_file"]) == (pair["certfile"], pair["keyfile"])
    assert str(follow_certificate.CERTIFICATE) == pair["certfile"]
    assert authority == access.AUTHORITY_FILE


def test_the_agent_knows_the_authority_where_the_manifests_mount_it() -> None:
    (mount,) = stateful_set.build_agent_container(SHARD)["volumeMounts"]
    (volume,) = [v for v in stateful_set.build_volumes(SHARD) if v["name"] == mount["name"]]
    assert [item["path"] for item in volume["secret"]["items"]] == [AUTHORITY.name]
    assert mount["mountPath"] == str(AUTHORITY.parent)


def test_reads_the_keys_of_a_mounted_secret_and_not_its_bookkeeping(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "owner").write_text("secret")
    assert member.read_passwords(tmp_path) == {"owner": "secret"}


def test_private_files_are_private_whatever_stood_there(tmp_path: Path) -> None:
    path = tmp_path / "passfile"
    path.write_text("old")
    path.chmod(0o644)
    member.write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_container_at_a_time_lives_on_a_volume(tmp_path: Path) -> None:
    held = member.hold_volume(tmp_path)
    other = os.open(tmp_path / "member.lock", os.O_RDWR)
    assert os.get_inheritable(held)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(held)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
