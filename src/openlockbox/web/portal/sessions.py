"""Using an access: the grant's page, the desktop in the browser, the file for other clients, and why it ended.

Token and one-time password stand in the body of the answer to a POST, never in an address or a cookie.
"""

from datetime import timedelta
from typing import Final

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from openlockbox.domain.errors import LockboxError, NotFound
from openlockbox.domain.ids import GrantId
from openlockbox.domain.session import SessionState
from openlockbox.services import access, lockdown, views
from openlockbox.services.access import Connection
from openlockbox.services.gateways import LEASE_TIME
from openlockbox.services.views import GrantView
from openlockbox.web.portal import security
from openlockbox.web.portal.forms import Filled, Form, parse_id
from openlockbox.web.portal.page import OK, Signed, Visitor, html, redirect
from openlockbox.web.portal.templating import STATIC

SIZES: Final = ("1024x768", "1280x720", "1280x800", "1440x900", "1600x900", "1920x1080")
DEFAULT_SIZE: Final = "1280x800"
SOON: Final = (timedelta(minutes=2), timedelta(minutes=10))
FORBIDDEN: Final = 403


def _load(visitor: Visitor, grant_id: str) -> GrantView:
    return views.grant_view(visitor.lockbox, visitor.caller, grant_id=GrantId(parse_id(grant_id)))


@get("/provider/access", sync_to_thread=True)
def provider_access(visitor: Signed) -> Response[str]:
    """Show operators and support leads who has access now, and the gateways."""
    view = views.provider_access(visitor.lockbox, visitor.caller)
    locks = lockdown.locks_of_engineers(visitor.lockbox, visitor.caller)
    return visitor.page("provider_access.html", view=view, locks=locks, fresh_for=LEASE_TIME)


@get("/engineer/grants/{grant_id:str}", sync_to_thread=True)
def grant_page(visitor: Signed, grant_id: FromPath[str]) -> Response[str]:
    """Show an access: until when, and how to use it."""
    return _page(visitor, grant_id, Form(), OK)


def _page(visitor: Visitor, grant_id: str, form: Form, status: int) -> Response[str]:
    return visitor.page(
        "engineer/grant.html",
        status=status,
        view=_load(visitor, grant_id),
        form=form,
        sizes=SIZES,
        path=f"/engineer/grants/{grant_id}",
    )


@get("/engineer/grants/{grant_id:str}/session")
async def session_address(grant_id: FromPath[str]) -> Response[str]:
    """Lead a reload of the session's address back to the grant: a session begins with a POST."""
    return redirect(f"/engineer/grants/{parse_id(grant_id)}")


@post("/engineer/grants/{grant_id:str}/session", sync_to_thread=True, status_code=OK)
def connect(visitor: Signed, form: Filled, grant_id: FromPath[str]) -> Response[str]:
    """Prepare a connection and show the page that draws it."""
    size = form.typed("size")
    width, _, height = (size if size in SIZES else DEFAULT_SIZE).partition("x")
    try:
        connection = _connect(visitor, grant_id, "browser")
    except LockboxError as refusal:
        return _refused(visitor, grant_id, form, refusal)
    return visitor.page(
        "engineer/session.html",
        gateway=connection.browser_url,
        view=_load(visitor, grant_id),
        connection=connection,
        width=width,
        height=height,
        has_desktop=(STATIC / "desktop.js").exists() and (STATIC / "vendor" / "iron_bg.wasm").exists(),
    )


def _connect(visitor: Visitor, grant_id: str, front: str) -> Connection:
    return access.connect(visitor.lockbox, visitor.caller, grant_id=GrantId(parse_id(grant_id)), front=front)


def _refused(visitor: Visitor, grant_id: str, form: Form, refusal: LockboxError) -> Response[str]:
    if isinstance(refusal, NotFound):
        raise refusal
    return _page(visitor, grant_id, form, form.refuse(refusal))


@post("/engineer/grants/{grant_id:str}/native", sync_to_thread=True, status_code=OK)
def connect_native(visitor: Signed, form: Filled, grant_id: FromPath[str]) -> Response[str]:
    """Prepare a connection for a program of the engineer's own, and show its password once."""
    try:
        connection = _connect(visitor, grant_id, "native")
    except LockboxError as refusal:
        return _refused(visitor, grant_id, form, refusal)
    view = _load(visitor, grant_id)
    name = "".join(c for c in view.grant.elevation.resource_id.rsplit("/", 1)[-1] if c.isalnum() or c in "-_")
    content = {"name": f"{name or 'lockbox'}.rdp", "text": connection.rdp_file or ""}
    return visitor.page(
        "engineer/native.html",
        gateway=connection.browser_url or None,
        view=view,
        connection=connection,
        sealed=security.seal(visitor.web, "file", visitor.secret, "rdp", content),
    )


@post("/engineer/rdp-file", sync_to_thread=True, status_code=OK)
def rdp_file(visitor: Signed, form: Filled) -> Response[bytes]:
    """Hand out the file that the page before carried; sealed, so that only our own files come out of here."""
    content = security.unseal(visitor.web, "file", visitor.secret, "rdp", form.typed("file"))
    if not content:
        raise HTTPException(status_code=FORBIDDEN)
    disposition = {"Content-Disposition": f'attachment; filename="{content["name"]}"'}
    return Response(content["text"].encode(), media_type="application/x-rdp", headers=security.headers() | disposition)


@get("/engineer/grants/{grant_id:str}/left", sync_to_thread=True)
def time_left(visitor: Signed, grant_id: FromPath[str]) -> Response[str]:
    """Return the time left, for the session bar, once a minute."""
    view = _load(visitor, grant_id)
    left = view.grant.not_after - view.now
    soon = any(mark - timedelta(minutes=1) < left <= mark for mark in SOON)
    return html(visitor.request, "engineer/left.html", speech=visitor.speech, view=view, soon=soon)


@get("/engineer/sessions/{session_id:str}/ended", sync_to_thread=True)
def ended(visitor: Signed, session_id: FromPath[str]) -> Response[str]:
    """Return the panel that says why a session ended; a header says whether it has."""
    view = _load(visitor, visitor.request.query_params.get("grant", ""))
    session = next((s for s in view.sessions if s.id == session_id), None)
    if session is None:
        raise NotFound
    answer = html(
        visitor.request,
        "engineer/ended.html",
        speech=visitor.speech,
        view=view,
        session=session,
        me=visitor.me,
        refusal=access.refused_because(visitor.lockbox, visitor.caller, session_id=session.id),
    )
    answer.headers["X-Session-State"] = SessionState(session.state).value
    return answer
