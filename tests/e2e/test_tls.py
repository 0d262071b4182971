"""Who may talk to a shard, and whom its clients believe, under traffic; certificates and passwords change without a restart.

What clients see is seen from the application's own pod, with the binding that is mounted there.
"""

import base64
import json
from typing import Any

import pytest

from demo.application import POD
from demo.cluster import CommandFailedError, get, get_all, kubectl, wait_for
from demo.release import Images
from e2e.scene import Scene, set_up_shard
from e2e.shards import query

NAMESPACE = "e2e-tls"
SCOPE = "flights-s0"
ROWS = 5_000
RENEWAL_SECONDS = 240  # the kubelet looks for a change of a Secret about once a minute
LABELS = {"caisson.dev/database": "flights"}

MARKS = [["caisson_app", "retired"], ["caisson_app_b", "rotation r1"]]
ROLE_MARKS = """
SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname LIKE 'caisson\\_app%' ORDER BY 1
"""
OPERATORS_MARK = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'postgres'"
STREAMS_AS = "SELECT usename FROM pg_stat_replication"
MEMBER_ROLES = """
SELECT rolname, rolcanlogin, shobj_description(oid, 'pg_authid') FROM pg_roles
WHERE rolname LIKE 'caisson\\_replication%' OR rolname LIKE 'caisson\\_rewind%' ORDER BY 1
"""
RETIRED_ROLES = [
    ["caisson_replication", "f", ""],
    ["caisson_replication_b", "t", "rotation m1"],
    ["caisson_rewind", "f", ""],
    ["caisson_rewind_b", "t", "rotation m1"],
]
# Whom the primary lets in, from a standby's pod over the network, with the password that comes in.
LOG_IN = """
import sys
import psycopg
host, role = sys.argv[1:]
try:
    psycopg.connect(host=host, user=role, password=sys.stdin.read(), dbname="postgres", sslmode="verify-ca",
                    sslrootcert="/etc/caisson/certificate/ca.crt", connect_timeout=10).close()
    print("let in")
except psycopg.OperationalError as error:
    print(error)
"""
WHO = "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename LIKE 'caisson\\_app%'"

# Beside the SDK: what is said without TLS, with another authority, and under another name.
CONNECT = """
import json, socket, sys
import psycopg
from flights import direct
binding = direct.read_binding("flights")
host, port = next(iter(binding.shards.values()))
change = dict(json.loads(sys.argv[1]))
if change.pop("by_address", False):
    host = socket.gethostbyname(host)
parameters = {"sslmode": "verify-full", "sslrootcert": str(binding.authority), **change}
try:
    with psycopg.connect(host=host, port=port, dbname=binding.database, user=binding.username, password=binding.password,
                         connect_timeout=10, **parameters) as connection:
        print(connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone())
except psycopg.OperationalError as error:
    print(error)
"""
# Which certificate each member shows at either port, by the names of the pods, verified in full.
SERIALS = """
import json, socket, ssl, struct, sys
context = ssl.create_default_context(cafile="/bindings/flights/ca.crt")
def show(host, port):
    plain = socket.create_connection((host, port), 10)
    if port == 5432:
        plain.sendall(struct.pack("!ii", 8, 80877103))
        assert plain.recv(1) == b"S"
    with context.wrap_socket(plain, server_hostname=host) as tls:
        return tls.getpeercert()["serialNumber"]
print(json.dumps({f"{host}:{port}": show(host, port) for host in sys.argv[1:] for port in (5432, 8008)}))
"""
REST = """
import json, ssl, sys, urllib.error, urllib.request
host = sys.argv[1]
context = ssl.create_default_context(cafile="/bindings/flights/ca.crt")
def ask(url, **more):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, **more), timeout=10, context=context).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error).__name__
print(json.dumps([
    ask(f"https://{host}:8008/liveness"),
    ask(f"https://{host}:8008/config", data=b"{}", method="PATCH"),
    ask(f"http://{host}:8008/liveness"),
]))
"""
# Whether members take a change that changes nothing, with the password that comes in.
AUTHENTICATED = """
import base64, json, ssl, sys, urllib.error, urllib.request
context = ssl.create_default_context(cafile="/bindings/flights/ca.crt")
key = base64.b64encode(f"caisson:{sys.stdin.read()}".encode()).decode()
def ask(url):
    request = urllib.request.Request(url, b'{"loop_wait": 1}', {"Authorization": f"Basic {key}"}, method="PATCH")
    try:
        return urllib.request.urlopen(request, timeout=10, context=context).status
    except urllib.error.HTTPError as error:
        return error.code
print(json.dumps([ask(f"https://{host}:8008/config") for host in sys.argv[1:]]))
"""
# Patroni's own way of calling a peer, as this member is configured, and with an authority that vouches for somebody else.
PEER = """
import sys, urllib3, yaml
from patroni.request import PatroniRequest
configuration = yaml.safe_load(open("/run/caisson/patroni.yml"))
url = f"https://{sys.argv[1]}:8008/liveness"
print(PatroniRequest(configuration, True).request("GET", url).status)
configuration["ctl"]["cacert"] = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
try:
    print(PatroniRequest(configuration, True).request("GET", url, retries=False).status)
except urllib3.exceptions.SSLError as error:
    print("CERTIFICATE_VERIFY_FAILED" in str(error))
"""


# The agent of early expiry, as it is composed there: its own member, and the same member under another shard's name.
AGENT = """
import asyncio, os
from dataclasses import replace
from early_expiry.__main__ import build_agent
from early_expiry.observe import AUTHORITY, build_members
eyes = build_agent(os.environ).eyes
other = replace(eyes, members=build_members(AUTHORITY, "flights-s1.e2e-tls.svc"))
print(*(asyncio.run(each.is_rest_up(eyes.own_address, 10)) for each in (eyes, other)))
"""


@pytest.fixture(scope="module")
def scene(namespace: str, images: Images) -> Scene:
    return set_up_shard(namespace, images.flights, ROWS, writes_per_second=40)


def run_beside(scene: Scene, program: str, *arguments: str) -> str:
    """A program in the application's pod; what it prints."""
    namespace = scene.database.namespace
    return kubectl("exec", POD, "--", "python", "-c", program, *arguments, namespace=namespace).strip()


def connect(scene: Scene, **change: Any) -> str:
    return run_beside(scene, CONNECT, json.dumps(change))


def connect_as(scene: Scene) -> str:
    """Whom the mounted binding names; it must be let in."""
    assert connect(scene) == "(True, 'TLSv1.3')"
    return run_beside(scene, "print(open('/bindings/flights/username').read())")


def marks(scene: Scene) -> list[list[str]]:
    return query(scene.database, "s0", ROLE_MARKS)


def members(scene: Scene) -> list[dict[str, Any]]:
    return get_all("pods", scene.database.namespace, LABELS)


def serials(scene: Scene) -> dict[str, str]:
    hosts = [f"{pod['metadata']['name']}.{SCOPE}-pods.{scene.database.namespace}.svc" for pod in members(scene)]
    found: dict[str, str] = json.loads(run_beside(scene, SERIALS, *hosts))
    return found


def lives(scene: Scene) -> list[tuple[str, list[int]]]:
    """Who the members are, and how often each of their containers was restarted."""
    return [
        (pod["metadata"]["uid"], [status["restartCount"] for status in pod["status"]["containerStatuses"]])
        for pod in members(scene)
    ]


def test_a_connection_without_tls_is_refused(scene: Scene) -> None:
    assert "no encryption" in connect(scene, sslmode="disable")


def test_the_binding_is_enough_to_verify_the_server_in_full(scene: Scene) -> None:
    assert connect(scene) == "(True, 'TLSv1.3')"


def test_another_authority_and_another_name_are_not_believed(scene: Scene) -> None:
    assert "certificate verify failed" in connect(scene, sslrootcert="/etc/ssl/certs/ca-certificates.crt")
    assert "does not match" in connect(scene, by_address=True)


def test_standbys_stream_over_tls(scene: Scene) -> None:
    sql = "SELECT count(*), bool_and(ssl) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)"
    assert query(scene.database, "s0", sql) == [["1", "t"]]


def test_patroni_answers_over_tls_alone_and_changes_nothing_without_a_password(scene: Scene) -> None:
    host = f"{SCOPE}-0.{SCOPE}-pods.{scene.database.namespace}.svc"
    read, write, plain = json.loads(run_beside(scene, REST, host))
    assert (read, write) == (200, 401)
    assert isinstance(plain, str), "no answer, but an error"


def test_members_verify_each_other_by_the_authority(scene: Scene) -> None:
    """Control: with the authority of the API server in its place, the same call is refused."""
    one, other = members(scene)
    output = kubectl(
        "exec", one["metadata"]["name"], "-c", "postgresql", "--",
        "python", "-c", PEER, other["status"]["podIP"], namespace=scene.database.namespace,
    )  # fmt: skip
    assert output.split() == ["200", "True"]


def test_the_agent_believes_members_of_its_own_shard_alone(scene: Scene) -> None:
    member = members(scene)[0]["metadata"]["name"]
    output = kubectl(
        "exec", member, "-c", "early-expiry", "--", "python", "-c", AGENT, namespace=scene.database.namespace
    )
    assert output.split() == ["True", "False"]


def test_a_renewed_certificate_is_served_without_a_restart(scene: Scene) -> None:
    """A Secret that is deleted is made anew with a new certificate, as one that comes to its end is."""
    before, lived, primary = serials(scene), lives(scene), scene.database.primary("s0")
    assert len(set(before.values())) == 1, "all members of a shard show the same"
    namespace = scene.database.namespace
    kubectl("delete", "secret", f"{SCOPE}-tls", namespace=namespace)
    kubectl("annotate", "sdb", "flights", "caisson.dev/wake=now", namespace=namespace)

    def renewed() -> bool:
        try:
            shown = serials(scene)
        except CommandFailedError:  # Patroni begins to listen anew
            return False
        return not set(shown.values()) & set(before.values()) and len(set(shown.values())) == 1

    wait_for("the new certificate at every port", renewed, RENEWAL_SECONDS, scene.database.explain, poll_seconds=5)
    assert lives(scene) == lived
    assert scene.database.primary("s0") == primary, "nor did the lead move"
    assert connect(scene) == "(True, 'TLSv1.3')"


def test_another_password_is_given_out_on_request(scene: Scene) -> None:
    namespace = scene.database.namespace
    assert connect_as(scene) == "caisson_app"
    kubectl("annotate", "sdb", "flights", "caisson.dev/rotate-credentials=r1", namespace=namespace)

    def followed() -> bool:
        return scene.database.status().get("credentialsRotation") == "r1"

    wait_for("the rotation", followed, 60, scene.database.explain)
    wait_for("the mounted binding", lambda: connect_as(scene) == "caisson_app_b", RENEWAL_SECONDS, poll_seconds=5)
    wait_for("the old role to be retired", lambda: marks(scene) == MARKS, 60, scene.database.explain)
    end = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE usename = 'caisson_app'"
    query(scene.database, "s0", "ALTER ROLE caisson_app VALID UNTIL '-infinity'")  # the ten minutes are over
    query(scene.database, "s0", end)
    scene.application.wait_writes(200, 60)
    assert query(scene.database, "s0", WHO) == [["caisson_app_b"]]


def test_the_operator_gets_other_passwords_on_request(scene: Scene) -> None:
    """It works with them: a migration is run by the owner, and recorded by the superuser. Nobody was restarted."""
    database, namespace, lived = scene.database, scene.database.namespace, lives(scene)
    before = operator_passwords(namespace)
    kubectl("annotate", "sdb", "flights", "caisson.dev/rotate-operator-credentials=o1", namespace=namespace)

    def followed() -> bool:
        return database.status().get("operatorCredentialsRotation") == "o1"

    wait_for("the rotation of the operator's passwords", followed, 90, database.explain)
    assert query(database, "s0", OPERATORS_MARK) == [["rotation o1"]]
    assert not set(operator_passwords(namespace).values()) & set(before.values())
    migration = {"id": "900-after", "sql": "CREATE TABLE after_rotation (id int PRIMARY KEY)"}
    patch = [{"op": "add", "path": "/spec/schema/migrations/-", "value": migration}]
    kubectl("patch", "sdb", "flights", "--type=json", "-p", json.dumps(patch), namespace=namespace)
    wait_for(
        "a migration with the new passwords",
        lambda: "900-after" in database.status().get("migrationsApplied", []),
        90,
        database.explain,
    )
    assert connect_as(scene) == "caisson_app_b", "applications keep theirs"
    assert lives(scene) == lived
    scene.application.wait_writes(200, 60)


def test_members_get_other_passwords_on_request(scene: Scene) -> None:
    """Nobody is restarted, no lead moves, standbys stream as other roles, and in the end the old passwords open nothing."""
    database, namespace, lived = scene.database, scene.database.namespace, lives(scene)
    before, primary = read_password(namespace, "restapi"), database.primary("s0")
    replication = read_password(namespace, "replication")
    assert query(database, "s0", STREAMS_AS) == [["caisson_replication"]]
    kubectl("annotate", "sdb", "flights", "caisson.dev/rotate-member-credentials=m1", namespace=namespace)

    def followed() -> bool:
        return database.status().get("memberCredentialsRotation") == "m1"

    wait_for("the rotation of the members' passwords", followed, 3 * RENEWAL_SECONDS, database.explain, poll_seconds=5)
    after = read_password(namespace, "restapi")
    assert after != before
    assert query(database, "s0", STREAMS_AS) == [["caisson_replication_b"]]
    assert query(database, "s0", MEMBER_ROLES) == RETIRED_ROLES
    hosts = [f"{pod['metadata']['name']}.{SCOPE}-pods.{namespace}.svc" for pod in members(scene)]

    def opens(password: str) -> list[int]:
        command = ("exec", "-i", POD, "--", "python", "-c", AUTHENTICATED, *hosts)
        codes: list[int] = json.loads(kubectl(*command, namespace=namespace, stdin=password))
        return codes

    wait_for("the old one to open nothing", lambda: opens(before) == [401, 401], RENEWAL_SECONDS, poll_seconds=5)
    assert opens(after) == [200, 200]
    assert primary is not None
    (standby,) = (pod for pod in members(scene) if pod["metadata"]["name"] != primary.pod)
    (address,) = (pod["status"]["podIP"] for pod in members(scene) if pod["metadata"]["name"] == primary.pod)

    def log_in(role: str, password: str) -> str:
        python = ("python", "-c", LOG_IN, address, role)
        command = ("exec", "-i", standby["metadata"]["name"], "-c", "postgresql", "--", *python)
        return kubectl(*command, namespace=namespace, stdin=password).strip()

    assert "caisson_replication" in log_in("caisson_replication", replication), "who is refused, by name"
    assert log_in("caisson_replication_b", read_password(namespace, "replication")) == "let in"
    assert log_in("caisson_rewind_b", read_password(namespace, "rewind")) == "let in"
    reload = ("patronictl", "reload", SCOPE, primary.pod, "--force")
    exec_ = ("exec", primary.pod, "-c", "postgresql", "--")
    assert "Reload request received" in kubectl(*exec_, *reload, namespace=namespace)
    assert lives(scene) == lived
    assert database.primary("s0") == primary
    scene.application.wait_writes(200, 60)


def read_password(namespace: str, key: str) -> str:
    secret = get("secret", "flights-credentials", namespace)
    assert secret is not None
    return base64.b64decode(secret["data"][key]).decode()


def operator_passwords(namespace: str) -> dict[str, str]:
    secret = get("secret", "flights-credentials", namespace)
    assert secret is not None
    return {name: secret["data"][name] for name in ("superuser", "owner")}


def test_the_traffic_has_noticed_nothing(scene: Scene) -> None:
    scene.application.wait_writes(200, 60)
    scene.check(ROWS)
