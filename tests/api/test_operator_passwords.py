"""What a rotation of the operator's own passwords, or of the members', writes to the Secret of credentials, on a real API server."""

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api.apiserver import ApiServer
from caisson_operator.api.resource import ShardedDatabase, load_sharded_database
from caisson_operator.core.layout import REPLICATION_ROLES, Login
from caisson_operator.effects.kube import Conflict, KubeApi, ObjectRef
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.act_on_credentials import change_credentials
from caisson_operator.sharded_database.credentials import Credentials, build_credentials, read_credentials
from caisson_operator.sharded_database.manifests import build_credentials_secret, build_database_objects
from caisson_operator.sharded_database.manifests.inputs import BindingInput, DatabaseIdentity
from caisson_operator.sharded_database.manifests.names import build_address
from caisson_operator.sharded_database.member_credentials import (
    MemberPassword,
    MemberPasswords,
    MemberRoles,
    RoleLogin,
    read_member_passwords,
)
from caisson_operator.sharded_database.observe import observe_objects
from caisson_operator.sharded_database.room import ShardedDatabaseRoom
from caisson_operator.sharded_database.wanted import Engine, read_wanted

pytestmark = pytest.mark.asyncio

PREPARE, ADOPT = steps.PrepareOperatorPasswords("r1"), steps.AdoptOperatorPasswords("r1", Login())
MEMBER_STEPS = (
    steps.PrepareMemberPassword("m1"),
    steps.AdoptMemberPassword("m1"),
    steps.RetireMemberPassword("m1"),
)
FIRST = build_credentials(lambda name: f"pw-{name}")
FIRST_ROLES = MemberRoles(
    RoleLogin("caisson_replication", FIRST.replication), RoleLogin("caisson_rewind", FIRST.rewind)
)
SECOND_NAMES = ("caisson_replication_b", "caisson_rewind_b")


@pytest_asyncio.fixture
async def kube(server: ApiServer) -> AsyncIterator[KubeApi]:
    async with open_kube_api(str(server.kubeconfig)) as opened:
        yield opened


@pytest.fixture
def identity(namespace: str) -> DatabaseIdentity:
    return DatabaseIdentity("flights", namespace, "0")


def ref(identity: DatabaseIdentity) -> ObjectRef:
    return ObjectRef("v1", "Secret", identity.namespace, "flights-credentials")


def resource(identity: DatabaseIdentity) -> ShardedDatabase:
    metadata = {"name": "flights", "namespace": identity.namespace, "uid": "0"}
    return load_sharded_database({"metadata": metadata, "spec": {"storage": {"size": "1Gi"}}})


async def read(kube: KubeApi, identity: DatabaseIdentity) -> Credentials:
    found = await kube.get(ref(identity))
    assert found is not None
    return read_credentials(found["data"])


async def test_a_rotation_from_the_first_day_on(kube: KubeApi, identity: DatabaseIdentity) -> None:
    await kube.create_once(build_credentials_secret(identity, FIRST))
    await change_credentials(kube, identity, PREPARE)
    prepared = await read(kube, identity)
    assert (prepared.superuser, prepared.owner) == (FIRST.superuser, FIRST.owner)
    assert prepared.coming is not None
    assert prepared.coming.rotation == "r1"
    await change_credentials(kube, identity, ADOPT)
    adopted = await read(kube, identity)
    assert (adopted.superuser, adopted.owner) == (prepared.coming.superuser, prepared.coming.owner)
    assert (adopted.coming, adopted.rotation) == (None, "r1")
    assert adopted.previous is not None
    assert adopted.previous.superuser == FIRST.superuser
    assert adopted.app == FIRST.app


async def test_the_room_writes_both(kube: KubeApi, identity: DatabaseIdentity) -> None:
    await kube.create_once(build_credentials_secret(identity, FIRST))
    room = ShardedDatabaseRoom(kube, 1, Engine("image"), lambda *_: None)
    for step in (PREPARE, ADOPT):
        await room.act(resource(identity), step)
    assert (await read(kube, identity)).rotation == "r1"


async def test_steps_that_are_repeated_write_nothing(kube: KubeApi, identity: DatabaseIdentity) -> None:
    await kube.create_once(build_credentials_secret(identity, FIRST))
    for step in (PREPARE, ADOPT):
        await change_credentials(kube, identity, step)
        before = await kube.get(ref(identity))
        await change_credentials(kube, identity, step)
        await change_credentials(kube, identity, PREPARE)
        assert await kube.get(ref(identity)) == before


async def test_whoever_is_overtaken_writes_nothing(kube: KubeApi, identity: DatabaseIdentity) -> None:
    """A leader that has read the Secret, slept, and goes on after its successor."""
    await kube.create_once(build_credentials_secret(identity, FIRST))
    stale = await kube.get(ref(identity))
    await change_credentials(kube, identity, PREPARE)
    coming = (await read(kube, identity)).coming

    class Sleeper(KubeApi):
        async def get(self, ref: ObjectRef, timeout_seconds: float | None = None) -> dict[str, object] | None:
            return stale

    with pytest.raises(Conflict):
        await change_credentials(Sleeper(kube._client), identity, PREPARE)
    assert (await read(kube, identity)).coming == coming


async def test_what_is_applied_to_the_secret_leaves_its_passwords(kube: KubeApi, identity: DatabaseIdentity) -> None:
    await kube.create_once(build_credentials_secret(identity, FIRST))
    found = await kube.get(ref(identity))
    assert found is not None
    uids = {"flights-credentials": found["metadata"]["uid"]}
    binding = BindingInput(Login(), "pw", "PEM")
    for step in (PREPARE, ADOPT):
        await change_credentials(kube, identity, step)
        before = await read(kube, identity)
        for manifest in build_database_objects(identity, [build_address(identity, "s0")], binding, uids):
            await kube.apply(manifest)
        assert await read(kube, identity) == before


async def test_what_stands_in_the_secret_is_observed_without_its_passwords(
    kube: KubeApi, identity: DatabaseIdentity
) -> None:
    wanted = read_wanted(resource(identity), Engine("image"))
    await kube.create_once(build_credentials_secret(identity, FIRST))
    await change_credentials(kube, identity, PREPARE)
    seen = await observe_objects(kube, wanted)
    assert (seen.operator_rotation, seen.coming_rotation) == ("", "r1")
    await change_credentials(kube, identity, ADOPT)
    seen = await observe_objects(kube, wanted)
    assert (seen.operator_rotation, seen.coming_rotation) == ("r1", "")
    found = await kube.get(ref(identity))
    assert found is not None
    superuser = base64.b64decode(found["data"]["superuser"]).decode()
    assert superuser not in repr(seen)


async def test_a_rotation_of_the_members_goes_from_one_password_to_two_to_one(
    kube: KubeApi, identity: DatabaseIdentity
) -> None:
    """Whatever the operator's own does meanwhile, and with each step repeated."""
    wanted = read_wanted(resource(identity), Engine("image"))
    await kube.create_once(build_credentials_secret(identity, FIRST))
    await change_credentials(kube, identity, PREPARE)
    room, written = ShardedDatabaseRoom(kube, 1, Engine("image"), lambda *_: None), []
    for step in MEMBER_STEPS:
        for _ in range(2):
            await room.act(resource(identity), step)
        found = await kube.get(ref(identity))
        assert found is not None
        written.append((read_member_passwords(found["data"]), await observe_objects(kube, wanted)))
    passwords, seen = zip(*written, strict=True)
    first, new = MemberPassword("", FIRST.restapi, FIRST_ROLES), passwords[0].coming
    assert new is not None
    assert new.roles is not None
    assert new.roles.names == SECOND_NAMES
    assert passwords == (MemberPasswords(first, new), MemberPasswords(new, None, first), MemberPasswords(new))
    assert [each.member_rotation for each in seen] == ["", "m1", "m1"]
    assert [each.coming_member_rotation for each in seen] == ["m1", None, None]
    assert [each.previous_member_rotation for each in seen] == [None, "", None]
    assert [each.member_roles for each in seen] == [FIRST_ROLES.names, SECOND_NAMES, SECOND_NAMES]
    assert [each.coming_member_roles for each in seen] == [SECOND_NAMES, (), ()]
    assert not [word for word in (new.restapi, new.roles.replication.password) if word in repr(seen)]
    after = await read(kube, identity)
    assert (after.restapi, after.superuser) == (new.restapi, FIRST.superuser)
    assert (after.replication_user, after.replication) == ("caisson_replication_b", new.roles.replication.password)
    assert after.rewind == new.roles.rewind.password
    assert after.coming is not None
    assert after.coming.rotation == "r1"


async def test_the_members_password_file_has_each_role_for_as_long_as_somebody_may_come_as_it(
    kube: KubeApi, identity: DatabaseIdentity
) -> None:
    await kube.create_once(build_credentials_secret(identity, FIRST))
    found: list[list[str]] = []
    for step in MEMBER_STEPS:
        await change_credentials(kube, identity, step)
        secret = await kube.get(ref(identity))
        assert secret is not None
        lines = base64.b64decode(secret["data"]["passfile"]).decode().splitlines()
        found.append([line.split(":")[3] for line in lines])
    old, new = REPLICATION_ROLES
    assert found == [[old, new], [new, old], [new]]
