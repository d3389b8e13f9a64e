"""Grants: read, connect, end. What connects lives a minute and works once."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from openlockbox.domain.ids import GrantId, SessionId
from openlockbox.services import access, views
from openlockbox.web.api import documents as d
from openlockbox.web.api import rendering
from openlockbox.web.api.bodies import ConnectBody, ReasonBody
from openlockbox.web.api.callers import CallerArgument, LockboxArgument


@get("/grants/{grant_id:str}", sync_to_thread=True)
def read_grant(lockbox: LockboxArgument, caller: CallerArgument, grant_id: FromPath[str]) -> d.GrantDocument:
    """Return a grant with its sessions, to its engineer and to the organization's role holders."""
    return rendering.grant(views.grant_view(lockbox, caller, grant_id=GrantId(grant_id)))


@post("/grants/{grant_id:str}/connect", sync_to_thread=True)
def connect(
    lockbox: LockboxArgument, caller: CallerArgument, grant_id: FromPath[str], data: JSONBody[ConnectBody]
) -> d.ConnectionDocument:
    """Prepare one connection: a token that lives a minute and works once. `native` adds a one-time password and an .rdp file."""
    prepared = access.connect(lockbox, caller, grant_id=GrantId(grant_id), front=data.front)
    return d.ConnectionDocument(
        session_id=prepared.session.id,
        token=prepared.token,
        gateway_url=prepared.browser_url,
        native_password=prepared.native_password,
        rdp_file=prepared.rdp_file,
        offer_ends_at=prepared.session.offer_ends_at,
    )


@post("/grants/{grant_id:str}/end", sync_to_thread=True, status_code=202)
def end_access(
    lockbox: LockboxArgument, caller: CallerArgument, grant_id: FromPath[str], data: JSONBody[ReasonBody]
) -> d.EndedDocument:
    """Revoke a grant. It is `revoking` until its gateway has confirmed that every session is cut, then `revoked`."""
    revoking = access.end_access(lockbox, caller, grant_id=GrantId(grant_id), reason=data.reason)
    return d.EndedDocument(
        id=revoking.id, state=revoking.state.value, revoked_at=revoking.revoked_at, not_after=revoking.not_after
    )


@post("/sessions/{session_id:str}/abandon", sync_to_thread=True, status_code=200)
def abandon(lockbox: LockboxArgument, caller: CallerArgument, session_id: FromPath[str]) -> d.SessionDocument:
    """Give back a prepared connection that will not be used. Idempotent."""
    return rendering.session(access.abandon_offer(lockbox, caller, session_id=SessionId(session_id)))
