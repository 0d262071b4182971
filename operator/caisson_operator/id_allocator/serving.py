"""What has to be there before a server starts: what it asks of clients (a token), and what it shows them (a certificate). Pure.

One authority an allocator. Clients hold on to it, so it is made once and stays as long as the allocator does; it vouches for one
certificate, which every server shows, and which is renewed long before it ends. Servers take a new one up without a restart.
A Secret of such a name that is not the allocator's own is not taken over: others may know what is in it.
"""

from caisson_operator.core.certificates import explain_due
from caisson_operator.core.decisions import Decision, Plan, Settled, Wait, decide_first

from . import steps
from .manifests import ServerAccess
from .observed import Observed, Trouble
from .wanted import Wanted

KEY_LOOK_SECONDS = 10.0
"""Not for ever: a Secret of a former allocator of the same name is there until Kubernetes has collected it."""


def has_servers(wanted: Wanted, observed: Observed) -> bool:
    return wanted.replicas > 0 or observed.replicas is not None


def decide_keys(wanted: Wanted, observed: Observed) -> Decision:
    """The certificate first, so that nothing that is wrong with the token keeps it from being renewed."""
    if not has_servers(wanted, observed):
        return Settled()
    return decide_first(
        lambda: _make_authority(observed),
        lambda: _issue_certificate(wanted, observed),
        lambda: _make_token(observed),
    )


def find_access(wanted: Wanted, observed: Observed) -> ServerAccess | None:
    """None where there are no servers, or not yet all that they need."""
    if not has_servers(wanted, observed) or observed.token is None or observed.authority is None:
        return None
    return ServerAccess(observed.token.value, observed.token.secret_uid, observed.authority.certificate)


def find_trouble(wanted: Wanted, observed: Observed) -> Trouble | None:
    """Why there can be no servers as things are. Those that run go on with what they have."""
    return (observed.authority_trouble or observed.token_trouble) if has_servers(wanted, observed) else None


def _make_authority(observed: Observed) -> Decision:
    if observed.authority_trouble:
        return _wait(observed.authority_trouble)
    if observed.authority:
        return Settled()
    return Plan((steps.MakeAuthority(),), "MakingAuthority", "making the authority that clients of the servers trust")


def _issue_certificate(wanted: Wanted, observed: Observed) -> Decision:
    authority_id = observed.authority.key_id if observed.authority else ""
    why = explain_due(observed.certificate, frozenset(wanted.names.certified), authority_id, observed.now)
    if not why:
        return Settled()
    return Plan((steps.IssueCertificate(),), "IssuingCertificate", f"issuing a certificate for the servers: {why}")


def _make_token(observed: Observed) -> Decision:
    """Before the binding, which tells it, and the servers, which do not start without."""
    if observed.token_trouble:
        return _wait(observed.token_trouble)
    if observed.token:
        return Settled()
    return Plan((steps.MakeToken(),), "MakingToken", "making the token that the servers ask for")


def _wait(trouble: Trouble) -> Wait:
    return Wait(trouble.reason, trouble.message, KEY_LOOK_SECONDS)
