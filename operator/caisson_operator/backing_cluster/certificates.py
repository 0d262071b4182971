"""What a cluster's servers show who connects to them. Pure.

One authority a cluster, made once, which clients hold on to; it stays as long as the volumes do. It vouches for one certificate
that all members serve, renewed long before it ends and taken up without a restart of Redis, and by one of ZooKeeper (updating.py).
An authority that was lost is made anew, and what it vouches for: no data depend on it.
"""

from caisson_operator.core.certificates import explain_due
from caisson_operator.core.decisions import Decision, Plan, Settled, decide_first

from . import steps
from .manifests import Names
from .observed import Observed
from .wanted import Wanted


def decide_certificates(wanted: Wanted, observed: Observed) -> Decision:
    """Before the pods that mount them."""
    return decide_first(lambda: _make_authority(observed), lambda: _issue_certificate(wanted, observed))


def _make_authority(observed: Observed) -> Decision:
    if observed.authority:
        return Settled()
    return Plan((steps.MakeAuthority(),), "MakingAuthority", "making the authority that clients trust")


def _issue_certificate(wanted: Wanted, observed: Observed) -> Decision:
    assert observed.authority is not None
    names = frozenset(Names(wanted.owner.name, wanted.owner.namespace).served)
    why = explain_due(observed.certificate, names, observed.authority.key_id, observed.now)
    if not why:
        return Settled()
    return Plan((steps.IssueCertificate(),), "IssuingCertificate", f"issuing the servers' certificate ({why})")
