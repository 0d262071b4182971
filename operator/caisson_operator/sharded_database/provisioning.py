"""Kubernetes objects that the database needs and that are missing or not as wanted. Pure.

Each object carries the hash of what was applied in an annotation, so that nothing is sent that is there already. A pod
template and the image in it always change together; members take them over one by one (updating.py).
"""

from collections.abc import Mapping
from typing import Any

from caisson_operator.core.content import content_of, identity_of, stamp
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, decide_first
from caisson_operator.core.layout import Login

from . import steps
from .certificates import decide_certificates
from .logins import choose_bound_login
from .manifests import BindingInput, ShardManifestInput, ShardNames, build_database_objects, build_shard_objects
from .manifests.names import SHARD_LABEL
from .manifests.stateful_set import TEMPLATE, build_template
from .observed import Objects, Observed, Shard, owners
from .parameters import find_accepted
from .wanted import Wanted


def decide_provisioning(wanted: Wanted, observed: Observed) -> Decision:
    return decide_first(
        lambda: _make_credentials(wanted, observed.objects),
        lambda: decide_certificates(wanted, observed),
        lambda: _apply(wanted, observed),
    )


def _make_credentials(wanted: Wanted, objects: Objects) -> Decision:
    if objects.has_credentials:
        return Settled()
    name = wanted.database.name
    if objects.has_volumes:
        return Refuse(
            "CredentialsLost",
            f"volumes of {name} exist, but the Secret {name}-credentials that opens them does not: restore it, "
            f"or delete the volumes (label caisson.dev/database={name}) to begin anew",
        )
    return Plan((steps.CreateCredentials(),), "MakingCredentials", "making the passwords of the database's roles")


def _apply(wanted: Wanted, observed: Observed) -> Decision:
    objects, due = observed.objects, find_due_shards(wanted, observed)
    built = build_objects(wanted, objects, choose_bound_login(wanted, observed))
    stale = tuple(
        m for m in built if objects.contents.get(identity_of(m)) != content_of(m) and _shard(m) in {None, *due}
    )
    if not stale:
        return Settled()
    names = ", ".join(sorted({manifest["metadata"]["name"] for manifest in stale}))
    return Plan((steps.ApplyObjects(stale),), "ApplyingObjects", f"applying {names}"[:1000])


def find_due_shards(wanted: Wanted, observed: Observed) -> tuple[str, ...]:
    """The shards that there are, and those that may be made now.

    A database that nobody uses yet gets all of its shards at once. One that serves gets them one after the other, each with
    its standby: members that start take the processor from those that work.
    """
    present, held = observed.objects.shards, set(owners(observed.shards).values())
    missing = [shard for shard in wanted.shards if shard not in present]
    if not held:
        return wanted.shards
    is_starting = any(not _is_up(wanted, observed.shards.get(shard)) for shard in present - held)
    return (*(shard for shard in wanted.shards if shard in present), *missing[: 0 if is_starting else 1])


def _is_up(wanted: Wanted, shard: Shard | None) -> bool:
    return shard is not None and (shard.has_synchronous_standby or not wanted.is_synchronous)


def build_objects(wanted: Wanted, objects: Objects, login: Login) -> tuple[dict[str, Any], ...]:
    """Everything the database has in Kubernetes, each with its content's hash, in the order in which to apply it.

    `login` is whom the binding names.
    """
    authority = objects.authority.certificate if objects.authority else ""
    password = objects.passwords.get(login, "")
    binding = BindingInput(login, password, authority)
    made = build_database_objects(wanted.database, wanted.addresses, binding, objects.secret_uids)
    for shard in wanted.shards:
        made += build_shard_objects(_build_input(wanted, shard, objects))
    return tuple(stamp(manifest) for manifest in made)


def find_template(wanted: Wanted, shard: str) -> str:
    """The fingerprint that this shard's pods have once they are as wanted."""
    return str(build_template(_build_input(wanted, shard, Objects()))["metadata"]["annotations"][TEMPLATE])


def _build_input(wanted: Wanted, shard: str, objects: Objects) -> ShardManifestInput:
    return ShardManifestInput(
        database=wanted.database,
        shard=shard,
        members=wanted.members,
        image=wanted.engine.image,
        storage_size=wanted.storage_size,
        leaving=_list_leaving(wanted, shard, objects),
        claimed_size=objects.claimed_sizes.get(shard, ""),
        storage_class=wanted.storage_class,
        resources=wanted.resources,
        durability=wanted.durability,
        parameters=find_accepted(wanted.parameters, objects.settings.values()),
        failover=wanted.failover,
    )


def _list_leaving(wanted: Wanted, shard: str, objects: Objects) -> tuple[str, ...]:
    """Who is wanted no more hands over as it stops, and says so of itself: its rights stay as long as it does."""
    names = ShardNames(wanted.database.name, shard)
    wanted_pods = {names.pod(ordinal) for ordinal in range(wanted.members)}
    present = {pod.name for pod in objects.members(shard) if pod.name.startswith(f"{names.scope}-")}
    return tuple(sorted(present - wanted_pods))


def _shard(manifest: Mapping[str, Any]) -> str | None:
    """None for what belongs to the database as a whole."""
    label: str | None = manifest["metadata"]["labels"].get(SHARD_LABEL)
    return label
