"""Read the nodes that members are on, one by one: a cluster may have very many. Reads only."""

from collections.abc import Iterable

from caisson_operator.effects.kube import KubeApi, ObjectRef


async def observe_cordoned(kube: KubeApi, names: Iterable[str]) -> frozenset[str]:
    """Those that take no new pods. A node that has gone is not among them."""
    nodes = {name: await kube.get(ObjectRef("v1", "Node", "", name)) for name in sorted({*names} - {""})}
    return frozenset(name for name, node in nodes.items() if node and node["spec"].get("unschedulable"))
