"""The approver roster: read it, have a change written down for signature, send a signed one in."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from openlockbox.services import roster
from openlockbox.services.roster import Change, RosterView
from openlockbox.web.api.bodies import RosterChangeBody, SignedRosterBody
from openlockbox.web.api.callers import CallerArgument, LockboxArgument, as_tenant
from openlockbox.web.api.signing_documents import RosterDocument, RosterProposalDocument


@get("/tenants/{tenant_id:str}/roster", sync_to_thread=True)
def read_roster(lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str]) -> RosterDocument:
    """Return all versions of the approver roster, as they were signed. Version 0: there is none."""
    return _roster(roster.read(lockbox, caller, tenant_id=as_tenant(tenant_id)))


@post("/tenants/{tenant_id:str}/roster/proposal", sync_to_thread=True, status_code=200)
def propose_change(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], data: JSONBody[RosterChangeBody]
) -> RosterProposalDocument:
    """Write the next version of the roster down, to be signed within a day. Changes nothing."""
    change = Change(
        add=frozenset(data.add),
        remove=frozenset(data.remove),
        unsigned_decisions=data.unsigned_decisions,
        quorum=data.quorum,
        recovery_keys=None if data.recovery_keys is None else tuple(data.recovery_keys),
        witnesses=None if data.witnesses is None else tuple(data.witnesses),
        witness_quorum=data.witness_quorum,
        renew_site=data.renew_site,
    )
    proposal = roster.propose(lockbox, caller, tenant_id=as_tenant(tenant_id), change=change)
    return RosterProposalDocument(
        text=proposal.text, signatures_needed=proposal.needed, key_ids=[key.key_id for key in proposal.signers]
    )


@post("/tenants/{tenant_id:str}/roster", sync_to_thread=True, status_code=200)
def submit_roster(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], data: JSONBody[SignedRosterBody]
) -> RosterDocument:
    """Take a signed version. It counts at once."""
    roster.submit(lockbox, caller, tenant_id=as_tenant(tenant_id), signed=data.signed, code=data.code)
    return _roster(roster.read(lockbox, caller, tenant_id=as_tenant(tenant_id)))


def _roster(view: RosterView) -> RosterDocument:
    version = 0 if view.roster is None else view.roster.version
    return RosterDocument(tenant_id=view.tenant.id, version=version, root=view.root, signed=list(view.signed))
