"""The pods of every type and topology are taken by a namespace that enforces the restricted Pod Security level."""

from typing import Any

import pytest

from api.apiserver import ApiServer
from caisson_operator.backing_cluster.manifests import Passwords, Shape, build_objects
from fakes.backing_clusters import want

PASSWORDS = Passwords("app", "admin")


@pytest.mark.parametrize("spec", [{}, {"topology": "independent"}, {"type": "zookeeper"}], ids=str)
def test_a_pod_is_admitted_and_every_object_applied(server: ApiServer, namespace: str, spec: dict[str, Any]) -> None:
    server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    wanted = want(**spec)
    made = [move(manifest, namespace) for manifest in build_objects(wanted, PASSWORDS, Shape(wanted.members, False))]
    for manifest in made:
        if manifest["metadata"]["name"] in ("cache-credentials", "cache-authority"):
            continue  # applied by the uid of those that are there
        server.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", stdin=manifest)
    (template,) = [manifest["spec"]["template"] for manifest in made if manifest["kind"] == "StatefulSet"]
    claims = [{"name": "data", "emptyDir": {}}]  # what the StatefulSet's controller would add
    spec_of_pod = {**template["spec"], "volumes": [*template["spec"]["volumes"], *claims]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": namespace}, "spec": spec_of_pod}
    if "serviceAccountName" not in spec_of_pod:
        server.kubectl("create", "serviceaccount", "default", "-n", namespace)
    server.kubectl("create", "--validate=strict", "-f", "-", stdin=pod)


def move(manifest: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Into the test's namespace; the owner is not there, and nobody collects garbage here."""
    moved = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
    if manifest["kind"] == "RoleBinding":
        moved["subjects"] = [{**subject, "namespace": namespace} for subject in manifest["subjects"]]
    return moved
