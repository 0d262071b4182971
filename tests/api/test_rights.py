"""What the operator's and the engines' accounts may do: all that they must, and no Secret of anybody else's."""

from collections.abc import Callable, Sequence

import pytest

from api.apiserver import ApiServer

OPERATOR = "caisson-system:caisson-operator"
MUST = [
    ("list", "shardeddatabases.caisson.dev"),
    ("watch", "shardeddatabases.caisson.dev"),
    ("patch", "shardeddatabases.caisson.dev/flights", "--subresource=status"),
    ("update", "shardeddatabases.caisson.dev/flights", "--subresource=finalizers"),
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
    ("create", "secrets"),
    ("get", "secrets/flights-credentials"),
    ("patch", "secrets/flights-binding"),
    ("patch", "configmaps/caisson-canary"),
    ("list", "events"),
    ("create", "events.events.k8s.io"),
]
MUST_NOT = [
    ("delete", "statefulsets.apps/flights-s0"),
    ("delete", "persistentvolumeclaims/data-flights-s0-0"),
    ("delete", "secrets/flights-credentials"),
    ("delete", "pods/flights-s0-0"),
    ("list", "secrets"),
    ("watch", "secrets"),
    ("get", "configmaps/another"),
    ("create", "pods"),
    ("create", "pods", "--subresource=exec"),
    ("create", "roles.rbac.authorization.k8s.io"),
    ("patch", "shardeddatabases.caisson.dev/flights"),
    ("delete", "shardeddatabases.caisson.dev/flights"),
]
ENGINE_MUST = [
    ("patch", "endpoints/flights-s0"),
    ("create", "endpoints"),
    ("list", "pods"),
    ("patch", "pods/flights-s0-0"),
]
ENGINE_MUST_NOT = [("get", "secrets/flights-credentials"), ("delete", "endpoints/x"), ("get", "statefulsets.apps/x")]

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


def test_the_lease_is_its_own(server: ApiServer, install: Install) -> None:
    install("watchNamespaces={watched}")
    lease = "leases.coordination.k8s.io"
    for wish in (("create", lease), ("get", f"{lease}/caisson-operator"), ("update", f"{lease}/caisson-operator")):
        assert server.can(OPERATOR, *wish, "-n", "caisson-system")
    for wish in (("update", f"{lease}/another"), ("delete", f"{lease}/caisson-operator")):
        assert not server.can(OPERATOR, *wish, "-n", "caisson-system")


def test_the_engines_account_reads_no_secret(server: ApiServer, install: Install) -> None:
    install("watchNamespaces={watched}")
    engine = "watched:caisson-engine"
    assert refusals(server, engine, "watched", ENGINE_MUST) == []
    assert refusals(server, engine, "watched", ENGINE_MUST_NOT) == ENGINE_MUST_NOT
    assert refusals(server, engine, "private", ENGINE_MUST) == ENGINE_MUST
    refused = server.try_kubectl(
        "get", "secrets", "-n", "watched", "--as", "system:serviceaccount:watched:caisson-engine"
    )
    assert "is forbidden" in refused.error


def test_cluster_wide_it_may_bind_the_engines_role_and_no_other(server: ApiServer, install: Install) -> None:
    install("clusterWide=true")
    assert refusals(server, OPERATOR, "private", MUST) == []
    account = ("--as", "system:serviceaccount:caisson-system:caisson-operator", "-n", "private")

    def bind(role: str) -> dict[str, object]:
        api = "rbac.authorization.k8s.io"
        return {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "caisson-engine", "namespace": "private"},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "caisson-engine", "namespace": "private"}],
        }

    apply = ("apply", "--server-side", "--field-manager=caisson", "-f", "-", *account)
    refused = server.try_kubectl(*apply, stdin=bind("cluster-admin"))
    assert refused.code != 0
    assert "attempting to grant RBAC permissions not currently held" in refused.error
    server.kubectl(*apply, stdin=bind("caisson-engine"))
    assert refusals(server, "private:caisson-engine", "private", ENGINE_MUST) == []
