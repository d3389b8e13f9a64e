"""Sign in, sign out, and the way to one's landing page."""

import secrets
from typing import Final
from urllib.parse import urlsplit

from litestar import Response, get, post

from openlockbox.domain.errors import SignInFailed, Throttled
from openlockbox.services import accounts
from openlockbox.services.ports import Presented
from openlockbox.web.portal import security
from openlockbox.web.portal.forms import Filled, Form, PortalRequest
from openlockbox.web.portal.page import OK, SAID, Signed, html, lockbox_of, redirect, speech_for

MAIL_LENGTH: Final = 320
PASSWORD_LENGTH: Final = 1024
CODE_LENGTH: Final = 7


@get("/", sync_to_thread=True)
def home(visitor: Signed) -> Response[str]:
    """Lead to the page where this visitor begins."""
    return redirect(visitor.landing())


@get("/sign-in", sync_to_thread=True)
def sign_in_page(request: PortalRequest) -> Response[str]:
    """Show the sign-in form."""
    return _door(request, Form(), OK)


def _door(request: PortalRequest, form: Form, status: int) -> Response[str]:
    web, lockbox = security.settings_of(request), lockbox_of(request)
    door = security.read_cookie(request, security.DOOR_COOKIE) or secrets.token_urlsafe(32)
    said = security.read_cookie(request, security.SAID_COOKIE)
    return html(
        request,
        "sign_in.html",
        speech=speech_for(request, None, lockbox.clock()),
        status=status,
        cookies=[
            security.make_cookie(web, security.DOOR_COOKIE, door),
            *([security.make_cookie(web, security.SAID_COOKIE, "", seconds=0)] if said else []),
        ],
        csrf=security.csrf_value(web, door=door),
        form=form,
        next=security.local_path(request.query_params.get("next", "/")),
        host=urlsplit(web.base_url).netloc,
        said=said if said in SAID else "",
    )


@post("/sign-in", sync_to_thread=True)
def sign_in(request: PortalRequest, form: Filled) -> Response[str]:
    """Sign in, and go where one came from."""
    web = security.settings_of(request)
    presented = Presented(
        mail=form.text("mail", at_most=MAIL_LENGTH),
        password=form.typed("password")[:PASSWORD_LENGTH],
        code=form.typed("code")[:CODE_LENGTH],
        source=request.client.host if request.client else "",
    )
    try:
        signed_in = accounts.sign_in(lockbox_of(request), presented)
    except (SignInFailed, Throttled) as refusal:
        return _door(request, form, form.refuse(refusal))
    return redirect(
        security.local_path(form.typed("next")),
        [
            security.make_cookie(web, security.SIGN_IN_COOKIE, signed_in.secret),
            security.make_cookie(web, security.DOOR_COOKIE, "", seconds=0),
        ],
    )


@post("/sign-out", sync_to_thread=True)
def sign_out(visitor: Signed) -> Response[str]:
    """End this sign-in."""
    accounts.sign_out(visitor.lockbox, visitor.caller, visitor.secret)
    forget = security.make_cookie(visitor.web, security.SIGN_IN_COOKIE, "", seconds=0)
    return visitor.go("/sign-in", said="signed_out", cookies=[forget])
