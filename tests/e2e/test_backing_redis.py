"""A replicated Redis on kind: it fails over without the operator, and what it hands out after that is above all before."""

import json
from functools import partial

import pytest

from demo.cluster import get, get_all, kubectl, say, wait_for
from demo.release import scale_operator, wait_for_leader
from e2e.backing import Backing

NAMESPACE = "e2e-redis"
OVER_TLS = (
    "import socket, ssl, sys; tls = ssl.create_default_context(cafile='/etc/caisson/tls/ca.crt');"
    "s = tls.wrap_socket(socket.create_connection((sys.argv[1], 6379)), server_hostname=sys.argv[1]);"
)


@pytest.fixture(scope="module")
def cluster(namespace: str) -> Backing:
    cluster = Backing(namespace, "cache")
    cluster.apply("redis", members=3, persistence="always")
    cluster.wait_whole(3)
    return cluster


def other_than(cluster: Backing, leader: str) -> str:
    other: str = next(pod["metadata"]["name"] for pod in cluster.pods() if pod["metadata"]["name"] != leader)
    return other


def test_the_binding_leads_to_the_primary_and_names_every_sentinel(cluster: Backing) -> None:
    binding = cluster.binding()
    assert (binding["type"], binding["provider"], binding["topology"]) == ("redis", "caisson", "replicated")
    assert binding["master"] == "cache"
    hosts = [entry["host"] for entry in json.loads(binding["sentinels"])]
    assert hosts == [f"cache-{n}.cache-members.{cluster.namespace}.svc" for n in range(3)]
    assert cluster.take_token("cache-0")[0] == cluster.status()["epoch"]


def test_nobody_is_answered_without_tls(cluster: Backing) -> None:
    asking = (
        "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); s.sendall(b'PING\\r\\n')\n"
        "try: print('answered', s.recv(99))\n"
        "except OSError as error: print('answered', error)"
    )
    for host, port in (
        (cluster.binding()["host"], "6379"),
        (f"cache-1.cache-members.{cluster.namespace}.svc", "26379"),
    ):
        answer = cluster.run("cache-0", "redis", asking, host, port)
        assert "answered" in answer
        assert "PONG" not in answer
        assert "NOAUTH" not in answer


def test_a_renewed_certificate_is_shown_without_a_restart_of_redis(cluster: Backing) -> None:
    """The Secret is taken away; the operator issues another, and the agents have it taken up once it is mounted."""
    before, started = cluster.secret("cache-tls")["tls.crt"], starts_of(cluster, "redis")
    kubectl("delete", "secret", "cache-tls", namespace=cluster.namespace)
    kubectl("annotate", "backing", cluster.name, "e2e/look=now", namespace=cluster.namespace)
    wait_for("another certificate", lambda: (get("secret", "cache-tls", cluster.namespace) or {}).get("data"), 60)
    renewed = cluster.secret("cache-tls")["tls.crt"]
    assert renewed != before
    for pod in (f"cache-{n}" for n in range(3)):
        for port in ("6379", "26379"):
            wait_for(
                f"{pod}:{port} to show it",
                partial(is_shown, cluster, pod, port, renewed),
                300,
                cluster.explain,
            )
    assert starts_of(cluster, "redis") == started
    cluster.wait_whole(3)


def is_shown(cluster: Backing, pod: str, port: str, certificate: str) -> bool:
    showing = "import ssl, sys; print(ssl.get_server_certificate(('127.0.0.1', int(sys.argv[1]))))"
    return _try_run(cluster, pod, showing, port) == certificate.strip()


def starts_of(cluster: Backing, container: str) -> dict[str, tuple[str, int]]:
    """Pod -> which it is, and how often Kubernetes has started its container again."""
    return {
        pod["metadata"]["name"]: (pod["metadata"]["uid"], each["restartCount"])
        for pod in cluster.pods()
        for each in pod["status"]["containerStatuses"]
        if each["name"] == container
    }


def _try_run(cluster: Backing, pod: str, program: str, *arguments: str) -> str:
    """Empty while nobody answers: a Sentinel is away for a moment."""
    try:
        return cluster.run(pod, "redis", program, *arguments)
    except Exception:  # noqa: BLE001 - kubectl says in many ways that nobody answers
        return ""


def test_nobody_comes_in_without_a_password_and_an_application_cannot_wipe(cluster: Backing) -> None:
    anonymous = "s.sendall(b'GET x\\r\\n'); print(s.recv(99).decode())"
    assert "NOAUTH" in cluster.run("cache-0", "redis", OVER_TLS + anonymous, cluster.binding()["host"])
    wiping = (
        f"{OVER_TLS}"
        "s.sendall(('AUTH %s %s\\r\\nFLUSHALL\\r\\n' % tuple(sys.argv[2:])).encode()); f = s.makefile();"
        "print(f.readline(), f.readline())"
    )
    binding = cluster.binding()
    answer = cluster.run("cache-0", "redis", wiping, binding["host"], binding["username"], binding["password"])
    assert "+OK" in answer
    assert "NOPERM" in answer


def test_a_primary_that_is_killed_is_followed_by_another_one_above_all_tokens_before(cluster: Backing) -> None:
    status = cluster.status()
    leader, epoch = status["leader"], status["epoch"]
    witness = other_than(cluster, leader)
    before = cluster.take_token(witness)
    with cluster.load(witness) as load:
        cluster.kill(leader)
        cluster.wait("another epoch", lambda told: told.get("leader") and told["epoch"] > epoch)
        after = wait_for("a token", lambda: _try_token(cluster, witness), 60, cluster.explain)
        cluster.wait_whole(3)
    say(f"  a primary killed under load: {load}")
    assert after > before
    assert after[0] > before[0]
    assert load["went_back"] == 0
    assert max(load["epochs"]) > epoch
    assert cluster.events("LeaderChanged") or cluster.events("LeaderLost")


def _try_token(cluster: Backing, pod: str) -> tuple[int, int] | None:
    """None while nobody serves, or the one that is reached must not."""
    try:
        return cluster.take_token(pod)
    except Exception:  # noqa: BLE001 - kubectl says in many ways that nobody answers
        return None


def test_it_fails_over_while_no_operator_runs(cluster: Backing) -> None:
    leader, epoch = cluster.wait_whole(3)["leader"], cluster.status()["epoch"]
    witness = other_than(cluster, leader)
    scale_operator(0)
    try:
        cluster.kill(leader)
        token = wait_for(
            "a token of a new epoch",
            lambda: (found := _try_token(cluster, witness)) and found[0] > epoch and found,
            90,
            cluster.explain,
        )
        assert token[0] > epoch
    finally:
        scale_operator(2)
        wait_for_leader()
    cluster.wait_whole(3)


def test_it_grows_to_five_members_and_shrinks_to_three(cluster: Backing) -> None:
    before = cluster.take_token("cache-0")
    with cluster.load("cache-0") as load:
        cluster.scale(5)
        cluster.wait_whole(5)
        assert len(json.loads(cluster.binding()["sentinels"])) == 5
        cluster.scale(3)
        status = cluster.wait_whole(3)
    say(f"  three members, five and three again under load: {load}")
    assert load["taken"] > 0
    assert load["went_back"] == 0
    assert status["leader"] in ("cache-0", "cache-1", "cache-2")
    assert cluster.take_token("cache-0") > before


def test_a_primary_that_lost_its_volume_follows_the_others_instead_of_wiping_them(cluster: Backing) -> None:
    mark = "import sys; from redis_member.running import *; from redis_member.member import *; import os; m = read_member(os.environ)\n"
    write = "print(Connection(SOCKET, m.admin_password).call('SET', 'mark', 'kept'))"
    read = "print(Connection(SOCKET, m.admin_password).call('GET', 'mark'))"
    leader = cluster.wait_whole(3)["leader"]
    witness = other_than(cluster, leader)
    assert cluster.run(leader, "redis", mark + write) == "OK"
    wait_for("the mark to be replicated", lambda: cluster.run(witness, "redis", mark + read) == "kept", 30)
    kubectl("delete", "pvc", f"data-{leader}", "--wait=false", namespace=cluster.namespace)
    cluster.kill(leader)
    cluster.wait("another leader", lambda told: told.get("leader") not in (None, leader))
    cluster.wait_whole(3)
    wait_for("the mark on the one that lost it", lambda: cluster.run(leader, "redis", mark + read) == "kept", 60)


def test_made_again_under_its_name_it_goes_on_above_its_tokens(cluster: Backing) -> None:
    before = cluster.take_token("cache-0")
    kubectl("delete", "backing", cluster.name, "--wait=true", namespace=cluster.namespace)
    wait_for("its pods to go", lambda: not cluster.pods(), 120)
    assert len(get_all("pvc", cluster.namespace, {"caisson.dev/name": cluster.name})) == 3
    assert get("secret", "cache-credentials", cluster.namespace) is not None
    assert get("secret", "cache-authority", cluster.namespace) is not None
    cluster.apply("redis", members=3, persistence="always")
    cluster.wait_whole(3)
    assert cluster.take_token("cache-0") > before


def test_independent_primaries_each_serve_under_an_epoch_of_their_own(namespace: str, cluster: Backing) -> None:
    kubectl("delete", "backing", cluster.name, "--wait=true", namespace=namespace)
    lone = Backing(namespace, "lone")
    lone.apply("redis", members=3, topology="independent")
    status = lone.wait_whole(3)
    epochs = [member["epoch"] for member in status["members"]]
    assert [member["role"] for member in status["members"]] == ["primary"] * 3
    assert len(set(epochs)) == 3
    assert "leader" not in status
    assert "sentinels" not in lone.binding()
