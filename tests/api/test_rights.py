"""What the operator's account may do: all that it must, and no Secret of anybody else's."""

from collections.abc import Callable, Sequence

import pytest

from api.apiserver import ApiServer

OPERATOR = "caisson-system:caisson-operator"
MUST = [
    ("list", "shardeddatabases.caisson.dev"),
    ("watch", "shardeddatabases.caisson.dev"),
    ("patch", "shardeddatabases.caisson.dev/flights", "--subresource=status"),
    ("update", "shardeddatabases.caisson.dev/flights", "--subresource=finalizers"),
    ("list", "backingclusters.caisson.dev"),
    ("watch", "backingclusters.caisson.dev"),
    ("patch", "backingclusters.caisson.dev/cache", "--subresource=status"),
    ("update", "backingclusters.caisson.dev/cache", "--subresource=finalizers"),
    ("create", "configmaps"),
    ("get", "configmaps/cache-epoch"),
    ("create", "endpoints"),
    ("watch", "endpoints"),
    ("patch", "endpoints/flights-s0"),
    ("patch", "pods/flights-s0-0"),
    ("list", "serviceaccounts"),
    ("create", "serviceaccounts"),
    ("list", "roles.rbac.authorization.k8s.io"),
    ("list", "rolebindings.rbac.authorization.k8s.io"),
    ("patch", "roles.rbac.authorization.k8s.io/cache-epoch"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("watch", "distributedlocks.caisson.dev"),
    ("patch", "distributedlocks.caisson.dev/jobs", "--subresource=status"),
    ("watch", "idallocators.caisson.dev"),
    ("patch", "idallocators.caisson.dev/orders", "--subresource=status"),
    ("create", "deployments.apps"),
    ("patch", "deployments.apps/orders-id-server"),
    ("create", "backingclusters.caisson.dev"),
    ("patch", "backingclusters.caisson.dev/jobs-lock"),
    ("create", "statefulsets.apps"),
    ("patch", "statefulsets.apps/flights-s0"),
    ("watch", "statefulsets.apps"),
    ("create", "services"),
    ("patch", "services/flights-s0"),
    ("create", "poddisruptionbudgets.policy"),
    ("patch", "poddisruptionbudgets.policy/flights-s0"),
    ("watch", "pods"),
    ("list", "endpoints"),
    ("list", "persistentvolumeclaims"),
    ("patch", "persistentvolumeclaims/data-flights-s0-0"),
    ("delete", "persistentvolumeclaims/data-flights-s0-0"),
    ("create", "pods/flights-s0-0", "--subresource=eviction"),
    ("create", "secrets"),
    ("get", "secrets/flights-credentials"),
    ("patch", "secrets/flights-binding"),
    ("patch", "configmaps/caisson-canary"),
    ("list", "events"),
    ("create", "events.events.k8s.io"),
]
MUST_NOT = [
    ("delete", "statefulsets.apps/flights-s0"),
    ("delete", "secrets/flights-credentials"),
    ("delete", "pods/flights-s0-0"),
    ("list", "secrets"),
    ("watch", "secrets"),
    ("list", "configmaps"),
    ("delete", "configmaps/cache-epoch"),
    ("create", "pods"),
    ("create", "pods", "--subresource=exec"),
    ("create", "clusterroles.rbac.authorization.k8s.io"),
    ("escalate", "roles.rbac.authorization.k8s.io"),
    ("bind", "roles.rbac.authorization.k8s.io"),
    ("impersonate", "serviceaccounts"),
    ("create", "serviceaccounts", "--subresource=token"),
    ("patch", "shardeddatabases.caisson.dev/flights"),
    ("delete", "shardeddatabases.caisson.dev/flights"),
    ("patch", "distributedlocks.caisson.dev/jobs"),
    ("patch", "idallocators.caisson.dev/orders"),
    ("delete", "deployments.apps/orders-id-server"),
    ("delete", "backingclusters.caisson.dev/jobs-lock"),
]

Install = Callable[..., None]


@pytest.fixture(scope="module")
def install(server: ApiServer) -> Install:
    """Applies the chart with these settings, after what an earlier one granted has been taken away."""
    for namespace in ("caisson-system", "watched", "watched-too", "private"):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        server.kubectl("apply", "-f", "-", stdin=manifest)  # another test may have made it
        server.kubectl("create", "secret", "generic", "treasure", "-n", namespace, "--from-literal=a=b")

    def apply(*settings: str) -> None:
        for kind in ("roles", "rolebindings"):
            server.kubectl("delete", kind, "--all-namespaces", "-l", "app.kubernetes.io/name=caisson")
        for kind in ("clusterroles", "clusterrolebindings"):
            server.kubectl("delete", kind, "-l", "app.kubernetes.io/name=caisson")
        arguments = [word for setting in settings for word in ("--set", setting)]
        rendered = server.helm("template", "caisson", "charts/caisson", "--namespace", "caisson-system", *arguments)
        assert rendered.code == 0, rendered.error
        server.apply_text(rendered.out)

    return apply


def refusals(
    server: ApiServer, account: str, namespace: str, wishes: Sequence[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    return [wish for wish in wishes if not server.can(account, *wish, "-n", namespace)]


def test_namespaced_the_operator_may_do_what_it_must_where_it_watches_and_nothing_elsewhere(
    server: ApiServer, install: Install
) -> None:
    install("watchNamespaces={watched,watched-too}")
    for namespace in ("watched", "watched-too"):
        assert refusals(server, OPERATOR, namespace, MUST) == []
        assert refusals(server, OPERATOR, namespace, MUST_NOT) == MUST_NOT
    assert refusals(server, OPERATOR, "private", MUST) == MUST
    assert refusals(server, OPERATOR, "caisson-system", MUST) == MUST
    assert not server.can(OPERATOR, "list", "shardeddatabases.caisson.dev", "--all-namespaces")


@pytest.mark.parametrize("namespace", ["private", "caisson-system", "kube-system"])
def test_the_operator_cannot_read_a_secret_outside_its_watched_namespaces(
    server: ApiServer, install: Install, namespace: str
) -> None:
    install("watchNamespaces={watched}")
    account = ("--as", "system:serviceaccount:caisson-system:caisson-operator")
    server.kubectl("get", "secret", "treasure", "-n", "watched", *account)
    for what in (("treasure",), ()):
        refused = server.try_kubectl("get", "secrets", *what, "-n", namespace, *account)
        assert refused.code != 0
        assert "is forbidden" in refused.error


def test_by_default_it_watches_its_own_namespace_alone(server: ApiServer, install: Install) -> None:
    install()
    assert refusals(server, OPERATOR, "caisson-system", MUST) == []
    assert refusals(server, OPERATOR, "watched", MUST) == MUST


def test_it_reads_nodes_and_volumes_of_the_cluster_unless_told_otherwise_and_writes_neither(
    server: ApiServer, install: Install
) -> None:
    reads = [("get", "nodes/a"), ("list", "nodes"), ("watch", "nodes"), ("get", "persistentvolumes/a")]
    writes = [
        ("patch", "nodes/a"),
        ("delete", "nodes/a"),
        ("delete", "persistentvolumes/a"),
        ("list", "persistentvolumes"),
    ]
    install("watchNamespaces={watched}")
    assert [wish for wish in reads if not server.can(OPERATOR, *wish)] == []
    assert [wish for wish in writes if server.can(OPERATOR, *wish)] == []
    install("watchNamespaces={watched}", "nodes.read=false")
    assert [wish for wish in reads if server.can(OPERATOR, *wish)] == []


def test_the_lease_is_its_own(server: ApiServer, install: Install) -> None:
    install("watchNamespaces={watched}")
    lease = "leases.coordination.k8s.io"
    for wish in (("create", lease), ("get", f"{lease}/caisson-operator"), ("update", f"{lease}/caisson-operator")):
        assert server.can(OPERATOR, *wish, "-n", "caisson-system")
    for wish in (("update", f"{lease}/another"), ("delete", f"{lease}/caisson-operator")):
        assert not server.can(OPERATOR, *wish, "-n", "caisson-system")


def test_users_of_a_namespace_may_do_with_its_resources_what_they_may_with_others(
    server: ApiServer, install: Install
) -> None:
    """The roles that the cluster's own take in, each bound here by itself: a bare API server has nobody who puts them together."""
    install("watchNamespaces={watched}")
    for of in ("view", "edit"):
        role = f"caisson-operator-{of}-caisson-system"
        labels = server.kubectl("get", "clusterrole", role, "-o", "jsonpath={.metadata.labels}")
        assert f"aggregate-to-{of}" in labels
        server.kubectl(
            "create", "rolebinding", of, "-n", "private", f"--clusterrole={role}", f"--serviceaccount=private:{of}"
        )
    kinds = ("backingclusters", "distributedlocks", "idallocators", "shardeddatabases")
    for kind in (f"{name}.caisson.dev" for name in kinds):
        assert server.can("private:view", "list", kind, "-n", "private")
        assert not server.can("private:view", "patch", f"{kind}/x", "-n", "private")
        assert server.can("private:edit", "patch", f"{kind}/x", "-n", "private")
        assert not server.can("private:edit", "patch", f"{kind}/x", "--subresource=status", "-n", "private")
    assert server.can("private:edit", "patch", "shardeddatabases.caisson.dev/x", "--subresource=scale", "-n", "private")
    install("watchNamespaces={watched}", "rbac.aggregate=false")
    assert "view-caisson-system" not in server.kubectl("get", "clusterroles", "-o", "name")


def test_cluster_wide_it_binds_no_role_that_may_do_more_than_it_may_itself(server: ApiServer, install: Install) -> None:
    install("clusterWide=true")
    assert refusals(server, OPERATOR, "private", MUST) == []
    assert refusals(server, OPERATOR, "private", MUST_NOT) == MUST_NOT
    account = ("--as", "system:serviceaccount:caisson-system:caisson-operator", "-n", "private")
    apply = ("apply", "--server-side", "--field-manager=caisson", "-f", "-", *account)
    refused = server.try_kubectl(*apply, stdin=build_binding("cluster-admin"))
    assert refused.code != 0
    assert "attempting to grant RBAC permissions not currently held" in refused.error
    server.kubectl(*apply, stdin=build_binding("caisson-operator"))


def build_binding(role: str) -> dict[str, object]:
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"bound-to-{role}", "namespace": "private"},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "anybody", "namespace": "private"}],
    }


def build_role(resource: str, *verbs: str) -> dict[str, object]:
    rule = {"apiGroups": [""], "resources": [resource], "resourceNames": ["cache-epoch"], "verbs": list(verbs)}
    metadata = {"name": "made-by-the-operator", "namespace": "watched"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}


def test_the_operator_grants_the_agent_its_two_objects_and_nothing_that_it_may_not_do_itself(
    server: ApiServer, install: Install
) -> None:
    install("watchNamespaces={watched}")
    create = ("create", "--dry-run=server", "-f", "-", "--as", f"system:serviceaccount:{OPERATOR}")
    for resource in ("configmaps", "endpoints"):
        server.kubectl(*create, stdin=build_role(resource, "get", "update"))
    for resource, verb in (
        ("configmaps", "delete"),
        ("secrets", "delete"),
        ("pods", "delete"),
        ("pods/exec", "create"),
    ):
        refused = server.try_kubectl(*create, stdin=build_role(resource, verb))
        assert refused.code != 0
        assert "attempting to grant RBAC permissions not currently held" in refused.error
