"""What the container gives the agent, and what it makes of it."""

import importlib

ENVIRONMENT = {
    "PATRONI_NAME": "flights-s0-1",
    "PATRONI_SCOPE": "flights-s0",
    "PATRONI_KUBERNETES_NAMESPACE": "demo",
    "PATRONI_KUBERNETES_POD_IP": "10.0.0.2",
    "KUBERNETES_SERVICE_HOST": "fd00::1",
    "KUBERNETES_SERVICE_PORT": "443",
}


def test_an_agent_is_its_member_of_its_shard() -> None:
    agent = importlib.import_module("early_expiry.__main__").build_agent(ENVIRONMENT)
    assert agent.name == agent.hands.name == "flights-s0-1"
    assert agent.eyes.scope == agent.hands.scope == "flights-s0"
    assert agent.eyes.own_address == "10.0.0.2"
    assert agent.eyes.members.connection_pool_kw["assert_hostname"] == "flights-s0.demo.svc"
    assert agent.eyes.kube.base == "https://[fd00::1]:443/api/v1/namespaces/demo"
