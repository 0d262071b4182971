"""The chart: lint, a server-side dry run of everything it can render, settings that it refuses, the rendered manifest."""

import subprocess

import pytest
import yaml

from api.apiserver import REPOSITORY, ApiServer

SETTINGS = [
    (),
    ("watchNamespaces={default,kube-system}",),
    ("clusterWide=true", "operator.replicas=1"),
    ("nodes.read=false",),
    ("clusterWide=true", "engines.postgres.keepSharedAccount=true"),
    ("watchNamespaces={default,kube-system}", "engines.postgres.keepSharedAccount=true"),
    ("crds.create=false", "imagePullSecrets={registry}", "operator.podAnnotations.a=b"),
]


def template(server: ApiServer, *settings: str) -> str:
    arguments = [word for setting in settings for word in ("--set", setting)]
    rendered = server.helm("template", "caisson", "charts/caisson", "--namespace", "default", *arguments)
    assert rendered.code == 0, rendered.error
    return rendered.out


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_server_takes_all_that_the_chart_renders(server: ApiServer, settings: tuple[str, ...]) -> None:
    manifests = [manifest for manifest in yaml.safe_load_all(template(server, *settings)) if manifest]
    wrapped = {"apiVersion": "v1", "kind": "List", "items": manifests}
    said = server.kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-", stdin=wrapped)
    assert len(said.splitlines()) == len(manifests)


def test_lint_has_nothing_to_say(server: ApiServer) -> None:
    linted = server.helm("lint", "--strict", "charts/caisson")
    assert linted.code == 0, linted.out


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("operator.image=", "image"),
        ("operator.colour=red", "colour"),
        ("operator.replicas=0", "replicas"),
        ("operator.lease.renewDeadlineSeconds=20", "renewDeadlineSeconds < durationSeconds must hold"),
        ("watchNamespaces={Upper}", "watchNamespaces"),
        ("monitoring.prometheusRule.runbookUrl=docs/runbooks", "runbookUrl"),
        ("unknown=1", "unknown"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(server: ApiServer, setting: str, says: str) -> None:
    refused = server.helm("template", "caisson", "charts/caisson", "--set", setting)
    assert refused.code != 0
    assert says in refused.error


def test_all_namespaces_and_some_of_them_contradict_each_other(server: ApiServer) -> None:
    refused = server.helm("template", "c", "charts/caisson", "--set", "clusterWide=true,watchNamespaces={a}")
    assert "watchNamespaces" in refused.error


def test_monitors_and_rules_are_behind_switches(server: ApiServer) -> None:
    def kinds(*settings: str) -> set[str]:
        return {manifest["kind"] for manifest in yaml.safe_load_all(template(server, *settings)) if manifest}

    monitors = {"ServiceMonitor", "PrometheusRule"}
    assert not kinds() & monitors
    on = kinds("monitoring.serviceMonitor.enabled=true", "monitoring.prometheusRule.enabled=true")
    assert monitors <= on


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ((), "https://caisson.dev/docs/runbooks"),
        (("monitoring.prometheusRule.runbookUrl=https://wiki.example/caisson/",), "https://wiki.example/caisson"),
    ],
)
def test_each_alert_leads_to_its_runbook(server: ApiServer, settings: tuple[str, ...], address: str) -> None:
    rendered = template(server, "monitoring.prometheusRule.enabled=true", *settings)
    (rules,) = [each for each in yaml.safe_load_all(rendered) if each and each["kind"] == "PrometheusRule"]
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len(alerts) >= 20
    for alert in alerts:
        assert alert["annotations"]["runbook_url"] == f"{address}/{alert['alert']}.md"


@pytest.mark.parametrize(
    ("setting", "namespaces"),
    [("clusterWide=true", {"any": True}), ("watchNamespaces={a,b}", {"matchNames": ["a", "b"]})],
)
def test_servers_of_ids_are_scraped_where_the_operator_watches(
    server: ApiServer, setting: str, namespaces: dict[str, object]
) -> None:
    rendered = template(server, setting, "monitoring.serviceMonitor.enabled=true")
    monitors = [each for each in yaml.safe_load_all(rendered) if each and each["kind"] == "ServiceMonitor"]
    (of_ids,) = [each["spec"] for each in monitors if each["metadata"]["name"].endswith("-ids")]
    assert of_ids["selector"]["matchLabels"] == {"caisson.dev/kind": "IdAllocator"}
    assert of_ids["namespaceSelector"] == namespaces


def keeps_shared(server: ApiServer, namespace: str, *settings: str) -> bool:
    """Whether Helm, that sees the cluster, would have the account that shards of an earlier release run as."""
    arguments = [word for setting in ("crds.create=false", *settings) for word in ("--set", setting)]
    where = ("--namespace", namespace, "--dry-run=server")
    rendered = server.helm("template", "caisson", "charts/caisson", *where, *arguments)
    assert rendered.code == 0, rendered.error
    made = {(m["kind"], m["metadata"]["name"]) for m in yaml.safe_load_all(rendered.out) if m}
    of_it = {kind for kind, name in made if name == "caisson-engine"}
    whole = {"ClusterRole"} if "clusterWide=true" in settings else {"ServiceAccount", "Role", "RoleBinding"}
    assert of_it in (set(), whole)
    return bool(of_it)


@pytest.mark.parametrize("settings", [(), ("clusterWide=true",)], ids=str)
def test_the_account_that_shards_shared_stays_as_long_as_a_pod_runs_as_it(
    server: ApiServer, namespace: str, settings: tuple[str, ...]
) -> None:
    run_pod(server, namespace, "another", "flights-s0")
    assert not keeps_shared(server, namespace, *settings)
    run_pod(server, namespace, "of-an-earlier-release", "caisson-engine")
    assert keeps_shared(server, namespace, *settings)
    server.kubectl("delete", "pod", "of-an-earlier-release", "-n", namespace, "--force")
    assert not keeps_shared(server, namespace, *settings)
    assert keeps_shared(server, namespace, "engines.postgres.keepSharedAccount=true", *settings)


def run_pod(server: ApiServer, namespace: str, name: str, account: str) -> None:
    spec = {"serviceAccountName": account, "containers": [{"name": "x", "image": "x"}]}
    metadata = {"name": name, "namespace": namespace}
    server.kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def test_the_definitions_stay_when_the_release_goes(server: ApiServer) -> None:
    definitions = [
        manifest
        for manifest in yaml.safe_load_all(template(server))
        if manifest and manifest["kind"] == "CustomResourceDefinition"
    ]
    assert len(definitions) == len(list((REPOSITORY / "crds").iterdir()))
    assert all(d["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for d in definitions)


def test_pods_meet_the_restricted_level(server: ApiServer) -> None:
    """The API server judges a pod template's level by warnings; a pod itself it refuses."""
    server.kubectl("create", "namespace", "restricted")
    server.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
    (deployment,) = [m for m in yaml.safe_load_all(template(server)) if m and m["kind"] == "Deployment"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator", "namespace": "restricted"},
        "spec": deployment["spec"]["template"]["spec"],
    }
    server.kubectl("create", "--dry-run=server", "-f", "-", stdin=pod)
    del pod["spec"]["containers"][0]["securityContext"]
    refused = server.try_kubectl("create", "--dry-run=server", "-f", "-", stdin=pod)
    assert "violates PodSecurity" in refused.error


def test_the_rendered_manifest_is_up_to_date_and_can_be_applied(server: ApiServer) -> None:
    written = (REPOSITORY / "charts/install.yaml").read_text()
    rendered = subprocess.run(
        [REPOSITORY / "charts/render"], check=True, capture_output=True, text=True, env=server.environment
    )
    assert rendered.stdout == written, "run `make generate`"
    server.apply_text(written)
    deployment = server.get("deployment", "caisson-operator", "-n", "caisson-system")
    assert deployment["spec"]["replicas"] == 2
