"""Sign in, sign out, and the way to one's landing page."""

import secrets
from typing import Final
from urllib.parse import urlsplit

from litestar import Response, get, post

from openlockbox.domain.errors import PasskeyRefused, SignInFailed, Throttled
from openlockbox.services import accounts, passkey_sign_in
from openlockbox.services.accounts import NewSignIn
from openlockbox.services.ports import Presented
from openlockbox.web.portal import security
from openlockbox.web.portal.forms import Filled, Form, PortalRequest
from openlockbox.web.portal.page import OK, SAID, Signed, html, lockbox_of, redirect, speech_for
from openlockbox.web.portal.passkeys import RESPONSE_FIELD, as_options

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


def _presented(request: PortalRequest, form: Form) -> Presented:
    return Presented(
        mail=form.text("mail", at_most=MAIL_LENGTH),
        password=form.typed("password")[:PASSWORD_LENGTH],
        code=form.typed("code")[:CODE_LENGTH],
        source=_source(request),
    )


def _source(request: PortalRequest) -> str:
    return request.client.host if request.client else ""


@post("/sign-in", sync_to_thread=True)
def sign_in(request: PortalRequest, form: Filled) -> Response[str]:
    """Sign in, and go where one came from."""
    try:
        signed_in = accounts.sign_in(lockbox_of(request), _presented(request, form))
    except (SignInFailed, Throttled) as refusal:
        return _door(request, form, form.refuse(refusal))
    return _let_in(request, form, signed_in)


@post("/sign-in/passkey/begin", sync_to_thread=True, status_code=OK)
def begin_passkey(request: PortalRequest, form: Filled) -> Response[str]:
    """Take name and password, and give the script what a passkey is to answer."""
    lockbox = lockbox_of(request)
    return as_options(
        lambda: passkey_sign_in.begin(lockbox, _presented(request, form)),
        speech_for(request, None, lockbox.clock()),
    )


@post("/sign-in/passkey", sync_to_thread=True)
def sign_in_with_passkey(request: PortalRequest, form: Filled) -> Response[str]:
    """Take the passkey's answer, and go where one came from."""
    try:
        signed_in = passkey_sign_in.finish(
            lockbox_of(request), response=form.typed(RESPONSE_FIELD), source=_source(request)
        )
    except PasskeyRefused as refusal:
        return _door(request, form, form.refuse(refusal))
    return _let_in(request, form, signed_in)


def _let_in(request: PortalRequest, form: Form, signed_in: NewSignIn) -> Response[str]:
    web = security.settings_of(request)
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
