"""A ZooKeeper ensemble on kind: it elects another leader by itself, and members come and go while it serves."""

from typing import Any

import pytest

from demo.cluster import get, kubectl, say, wait_for
from demo.release import Images
from e2e.backing import Backing

NAMESPACE = "e2e-zookeeper"
_SHOWN = "import ssl; print(ssl.get_server_certificate(('127.0.0.1', 2281)))"
_LISTED = "from zookeeper_member.running import ask; print(ask('conf'))"


@pytest.fixture(scope="module")
def ensemble(namespace: str, images: Images) -> Backing:
    ensemble = Backing(namespace, "keeper")
    ensemble.apply("zookeeper", members=1)
    ensemble.start_client(images.operator)
    ensemble.wait_whole(1)
    return ensemble


def must_be_whole(load: dict[str, Any]) -> None:
    """Every node whose making was acknowledged is there, and they were made in order."""
    say(f"  {load}")
    assert load["made"] > 0
    assert load["lost"] == 0
    assert load["is_in_order"]


def must_not_have_died(ensemble: Backing) -> None:
    """One that is given its vote does not end over it: a name that DNS did not know yet was enough for that."""
    found = {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in ensemble.pods()}
    assert set(found.values()) == {0}, found


def participants(ensemble: Backing) -> int:
    return ensemble.run("keeper-0", "zookeeper", _LISTED).count(":participant")


def test_one_member_becomes_three_and_each_of_them_has_a_vote(ensemble: Backing) -> None:
    with ensemble.load_ensemble() as load:
        ensemble.scale(3)
        status = ensemble.wait_whole(3)
    must_be_whole(load)
    assert sorted(member["role"] for member in status["members"]) == ["follower", "follower", "leader"]
    must_not_have_died(ensemble)
    assert participants(ensemble) == 3
    assert ensemble.binding()["hosts"].count(":2281") == 3


def test_a_leader_that_is_killed_is_followed_by_another_one(ensemble: Backing) -> None:
    leader = ensemble.wait_whole(3)["leader"]
    with ensemble.load_ensemble() as load:
        ensemble.kill(leader)
        ensemble.wait("another leader", lambda status: status.get("leader") not in (None, leader))
        ensemble.wait_whole(3)
    must_be_whole(load)
    assert ensemble.events("LeaderLost") or ensemble.events("LeaderChanged")


def test_members_that_are_out_of_date_are_restarted_one_by_one_the_leader_last(ensemble: Backing) -> None:
    leader = ensemble.wait_whole(3)["leader"]
    before = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in ensemble.pods()}
    with ensemble.load_ensemble() as load:
        ensemble.apply("zookeeper", members=3, resources={"requests": {"cpu": "25m", "memory": "48Mi"}})
        ensemble.wait_whole(3)
    must_be_whole(load)
    pods = {pod["metadata"]["name"]: pod for pod in ensemble.pods()}
    assert all(pods[name]["metadata"]["uid"] != uid for name, uid in before.items())
    made = {name: pod["metadata"]["creationTimestamp"] for name, pod in pods.items()}
    assert max(made, key=lambda name: made[name]) == leader


def test_nobody_is_answered_without_tls(ensemble: Backing) -> None:
    """By the Service and at a pod; the port in plain text is closed to another pod."""
    asking = (
        "import socket, sys\n"
        "try:\n"
        "    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); s.sendall(b'ruok\\n\\n'); print('said', s.recv(99))\n"
        "except OSError as error: print('said', error)"
    )
    pod = f"keeper-0.keeper-members.{ensemble.namespace}.svc"
    for host, port in ((ensemble.binding()["host"], "2281"), (pod, "2281"), (pod, "2181"), (pod, "3888")):
        answer = ensemble.run("keeper-1", "zookeeper", asking, host, port)
        assert answer.startswith("said")
        assert "imok" not in answer
    assert "refused" in ensemble.run("keeper-1", "zookeeper", asking, pod, "2181")


def test_a_renewed_certificate_reaches_the_members_one_by_one(ensemble: Backing) -> None:
    before = {pod["metadata"]["uid"] for pod in ensemble.pods()}
    with ensemble.load_ensemble() as load:
        kubectl("delete", "secret", "keeper-tls", namespace=ensemble.namespace)
        kubectl("annotate", "backing", ensemble.name, "e2e/look=now", namespace=ensemble.namespace)
        ensemble.wait("other pods", lambda _: not before & {pod["metadata"]["uid"] for pod in ensemble.pods()}, 300)
        ensemble.wait_whole(3)
    must_be_whole(load)
    renewed = ensemble.secret("keeper-tls")["tls.crt"].strip()
    for pod in (f"keeper-{n}" for n in range(3)):
        assert ensemble.run(pod, "zookeeper", _SHOWN) == renewed


@pytest.mark.parametrize("role", ["follower", "leader"])
def test_a_member_that_lost_its_volume_is_given_a_copy(ensemble: Backing, role: str) -> None:
    """By hand, so that it keeps its vote: the nearest to a disk that was emptied."""
    lost = next(member["name"] for member in ensemble.wait_whole(3)["members"] if member["role"] == role)
    before = claim_uid(ensemble, lost)
    with ensemble.load_ensemble() as load:
        kubectl("delete", "pvc", f"data-{lost}", "--wait=false", namespace=ensemble.namespace)
        ensemble.kill(lost)
        wait_for("another claim", lambda: claim_uid(ensemble, lost) not in ("", before), 120, ensemble.explain)
        ensemble.wait_whole(3)
    must_be_whole(load)
    assert participants(ensemble) == 3


def claim_uid(ensemble: Backing, member: str) -> str:
    claim = get("pvc", f"data-{member}", ensemble.namespace)
    return str(claim["metadata"]["uid"]) if claim else ""


def test_it_shrinks_to_one_member_that_still_serves(ensemble: Backing) -> None:
    with ensemble.load_ensemble() as load:
        ensemble.scale(1)
        status = ensemble.wait_whole(1)
    must_be_whole(load)
    assert status["leader"] == "keeper-0"
    assert participants(ensemble) == 1
