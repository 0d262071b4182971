import pytest

from caisson_operator.settings import SettingsError, read_settings

REQUIRED = {
    "CAISSON_NAMESPACE": "system",
    "CAISSON_POD_NAME": "pod-1",
    "CAISSON_POSTGRES_IMAGE": "postgres:1",
    "CAISSON_REDIS_IMAGE": "redis:1",
    "CAISSON_ZOOKEEPER_IMAGE": "zookeeper:1",
    "CAISSON_IDS_IMAGE": "ids:1",
}


def test_watches_its_own_namespace_unless_told_otherwise() -> None:
    settings = read_settings(REQUIRED)
    assert settings.watch_namespaces == ("system",)
    assert not settings.is_cluster_wide


def test_watches_a_list_or_everything() -> None:
    assert read_settings({**REQUIRED, "CAISSON_WATCH_NAMESPACES": "a, b,a,"}).watch_namespaces == ("a", "b")
    everything = read_settings({**REQUIRED, "CAISSON_WATCH_NAMESPACES": "*"})
    assert everything.is_cluster_wide
    assert everything.watch_namespaces == ()


@pytest.mark.parametrize("name", REQUIRED)
def test_names_what_is_missing(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({key: value for key, value in REQUIRED.items() if key != name})


@pytest.mark.parametrize("text", ["6,4", "6,6,1", "4,6,1", "6,4,5", "6,4,0", "six,4,1"])
def test_refuses_a_lease_that_could_have_two_leaders(text: str) -> None:
    with pytest.raises(SettingsError, match="CAISSON_LEASE_SECONDS"):
        read_settings({**REQUIRED, "CAISSON_LEASE_SECONDS": text})


@pytest.mark.parametrize("text", ["http", "-1", "65536", "80.5"])
def test_refuses_what_is_no_port(text: str) -> None:
    with pytest.raises(SettingsError, match="CAISSON_HTTP_PORT"):
        read_settings({**REQUIRED, "CAISSON_HTTP_PORT": text})
