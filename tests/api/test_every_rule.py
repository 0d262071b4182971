"""No rule of a definition without an object that it admits and one that it refuses; a new one without them fails here.

Rules that today's enums hide (one engine, one strategy) are tried on a copy of the definition whose enums know more.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from api import test_backing_rules, test_distributed_lock, test_id_allocator, test_rules
from api.apiserver import REPOSITORY, ApiServer

Manifest = dict[str, Any]
VALIDATIONS = "x-kubernetes-validations"

WIDER = {'["hash"]': '["hash", "range"]', '["postgresql"]': '["postgresql", "other"]', '["15"]': '["15", "16"]'}
HIDDEN = [
    test_rules.Rule("the engine stays", test_rules.changed(), test_rules.changed(engine__type="other"),
                    "the engine is fixed once the database is made"),
    test_rules.Rule("its version stays", test_rules.changed(), test_rules.changed(engine__version="16"),
                    "the engine is fixed once the database is made"),
    test_rules.Rule("a table keeps its strategy", test_rules.changed(),
                    test_rules.changed(tables__0__strategy="range", tables__1__strategy="range"),
                    "a table's strategy is fixed once made"),
    test_rules.Rule("one group, one strategy", test_rules.changed(), test_rules.changed(tables__0__strategy="range"),
                    "the same strategy"),
]  # fmt: skip

# (admitted, refused, says) for every kind.
NAMES = [
    ("a" * 30, "a" * 31, "at most 30 characters"),
    ("a-1", "1-a", "starts with a letter"),
    ("a1", "a.b", "made of lower-case letters"),
]
SPECS: dict[str, Manifest] = {
    "BackingCluster": test_backing_rules.redis(),
    "DistributedLock": test_distributed_lock.BASE,
    "IdAllocator": test_id_allocator.BASE,
    "ShardedDatabase": test_rules.BASE,
}
# What each example's refusal says. Those of a test of their own: `test_the_members_of_an_independent_cluster_stay_as_many`.
EXAMPLES: dict[str, list[str]] = {
    "BackingCluster": [
        "could each find a majority",
        *(rule.says for rule in [*test_backing_rules.AT_BIRTH, *test_backing_rules.IN_LIFE]),
    ],
    "DistributedLock": [rule.says for rule in [*test_distributed_lock.AT_BIRTH, *test_distributed_lock.IN_LIFE]],
    "IdAllocator": [rule.says for rule in [*test_id_allocator.AT_BIRTH, *test_id_allocator.IN_LIFE]],
    "ShardedDatabase": [
        # The server tells its messageExpression instead, which two examples of test_rules look at.
        "loopWaitSeconds + 2 * retryTimeoutSeconds must be at most ttlSeconds",
        *(rule.says for rule in [*test_rules.AT_BIRTH, *test_rules.IN_LIFE, *HIDDEN]),
    ],
}


def read_definition(kind: str) -> Manifest:
    definition: Manifest = yaml.safe_load((REPOSITORY / f"crds/{kind.lower()}s.caisson.dev.yaml").read_text())
    return definition


def find_messages(node: Any) -> Iterator[str]:
    """What each rule says, wherever in the definition it stands."""
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get(VALIDATIONS, ()))
        for child in node.values():
            yield from find_messages(child)
    elif isinstance(node, list):
        for child in node:
            yield from find_messages(child)


def test_there_is_a_definition_of_each_kind_and_no_other() -> None:
    kinds = [yaml.safe_load(path.read_text())["spec"]["names"]["kind"] for path in (REPOSITORY / "crds").iterdir()]
    assert sorted(kinds) == sorted(SPECS) == sorted(EXAMPLES)


@pytest.mark.parametrize("kind", SPECS)
def test_every_rule_has_an_example(kind: str) -> None:
    """As many as there are rules that say the same."""
    examples = [*EXAMPLES[kind], *(says for _, _, says in NAMES)]
    found = Counter(find_messages(read_definition(kind)))
    assert found
    short = {message: sum(says in message for says in examples) for message in found}
    assert [message for message, count in found.items() if short[message] < count] == []


@pytest.mark.parametrize(("admitted", "refused", "says"), NAMES)
@pytest.mark.parametrize("kind", SPECS)
def test_names(server: ApiServer, kind: str, admitted: str, refused: str, says: str) -> None:
    dry_run = ("create", "--dry-run=server", "-f", "-")
    head = {"apiVersion": "caisson.dev/v1alpha1", "kind": kind, "spec": SPECS[kind]}
    server.kubectl(*dry_run, stdin={**head, "metadata": {"name": admitted}})
    answer = server.try_kubectl(*dry_run, stdin={**head, "metadata": {"name": refused}})
    assert answer.code != 0
    assert says in answer.error


@pytest.fixture(scope="module")
def wider(server: ApiServer) -> Iterator[str]:
    """The group of a copy of ShardedDatabase that knows more engines and strategies, with the base in it."""
    group = "wider.caisson.dev"
    text = json.dumps(read_definition("ShardedDatabase")["spec"])
    for narrow, wide in WIDER.items():
        assert narrow in text
        text = text.replace(narrow, wide)
    spec = json.loads(text) | {"group": group, "names": {"kind": "ShardedDatabase", "plural": "shardeddatabases"}}
    name = f"shardeddatabases.{group}"
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}}
    server.kubectl("create", "-f", "-", stdin={**head, "spec": spec})
    server.kubectl("wait", "--for=condition=Established", "crd", name, "--timeout=30s")
    server.kubectl("create", "namespace", "wider")
    server.kubectl("create", "-f", "-", stdin=of_wider(group, test_rules.BASE))
    yield group
    server.kubectl("delete", "crd", name)


def of_wider(group: str, spec: Manifest) -> Manifest:
    return test_rules.database("wider", spec) | {"apiVersion": f"{group}/v1alpha1"}


@pytest.mark.parametrize("rule", HIDDEN, ids=lambda rule: rule.name)
def test_rule_that_todays_enums_hide(server: ApiServer, wider: str, rule: test_rules.Rule) -> None:
    dry_run = ("replace", "--dry-run=server", "-f", "-")
    server.kubectl(*dry_run, stdin=of_wider(wider, rule.admitted))
    refused = server.try_kubectl(*dry_run, stdin=of_wider(wider, rule.refused))
    assert refused.code != 0
    assert rule.says in refused.error
