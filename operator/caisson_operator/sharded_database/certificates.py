"""What a database shows who connects to it: which certificates there are, and when a new one is due. Pure.

One authority a database. Clients hold on to it, so it is made once and stays as long as the volumes do. It vouches for one
certificate a shard, which every member of the shard serves, under the names of the shard's Services and pods. Those are
renewed long before they end; members take a new one up without a restart (workloads/postgres/follow_certificate.py).
An authority that was lost is made anew, and everything it vouches for: no row depends on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from caisson_operator.core.certificates import explain_due
from caisson_operator.core.decisions import Decision, Plan, Settled

from . import steps
from .manifests import build_server_names
from .observed import Observed
from .wanted import Wanted


@dataclass(frozen=True, slots=True)
class Due:
    shard: str
    why: str


def decide_certificates(wanted: Wanted, observed: Observed) -> Decision:
    """Before the pods that mount them; for a shard that is not made yet too, since it costs nothing."""
    if observed.objects.authority is None:
        return Plan((steps.CreateAuthority(),), "MakingAuthority", "making the authority that clients trust")
    due = tuple(_find_due(wanted, observed, observed.objects.authority.key_id))
    if not due:
        return Settled()
    told = ", ".join(f"{each.shard} ({each.why})" for each in due)
    plan = tuple(steps.IssueCertificate(each.shard) for each in due)
    return Plan(plan, "IssuingCertificates", f"issuing certificates: {told}"[:1000])


def _find_due(wanted: Wanted, observed: Observed, authority_id: str) -> Iterator[Due]:
    for shard in wanted.shards:
        names = frozenset(build_server_names(wanted.database, shard))
        why = explain_due(observed.objects.certificates.get(shard), names, authority_id, observed.now)
        if why:
            yield Due(shard, why)
