"""Error pages: a refusal's own sentence and advice in the reader's language, and a way out. Decides nothing."""

import logging
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from openlockbox.domain.errors import LockboxError, NotFound, NotSignedIn, StepUpRequired
from openlockbox.domain.text import N_
from openlockbox.web.portal import security
from openlockbox.web.portal.forms import PortalRequest, status_of
from openlockbox.web.portal.page import Visitor, html, lockbox_of, redirect, speech_for
from openlockbox.web.portal.speech import Speech

log = logging.getLogger(__name__)

_TITLES: Final = {
    HTTPStatus.NOT_FOUND: N_("Nothing is here"),
    HTTPStatus.FORBIDDEN: N_("This is not yours to do"),
    HTTPStatus.UNAUTHORIZED: N_("You are not signed in"),
    HTTPStatus.CONFLICT: N_("This is no longer possible"),
    HTTPStatus.TOO_MANY_REQUESTS: N_("Too many attempts"),
    HTTPStatus.SERVICE_UNAVAILABLE: N_("Nothing was done"),
}
_OTHER_TITLE: Final = N_("This did not work")
_FORM: Final = (
    "form_refused",
    N_("This form was made for another sign-in, or its page is too old. Nothing was changed."),
    N_("Go back, load the page again and repeat your step."),
)
_METHOD: Final = (
    "method_not_allowed",
    N_("This address takes another kind of call."),
    N_("Go to your overview and follow the links from there."),
)
_BAD: Final = (
    "bad_request",
    N_("The portal could not read what was sent. Nothing was changed."),
    N_("Go back, load the page again and repeat your step."),
)
_FAULT: Final = (
    "fault",
    N_("Something is wrong on our side. It was written down for the operator."),
    N_("Try again in a moment. If it stays, tell your provider."),
)


def portal_exception_handlers() -> ExceptionHandlersMap:
    """Return the exception handlers of portal paths."""
    return {
        LockboxError: _refusal,
        security.FormRefused: _form_refused,
        HTTPException: _http,
        Exception: _fault,
    }


def _refusal(request: Request[Any, Any, Any], refusal: LockboxError) -> Response[str]:
    if isinstance(refusal, NotSignedIn):
        return _to_sign_in(request)
    if isinstance(refusal, StepUpRequired):  # of a form whose page is not known here
        return redirect("/step-up?next=/")
    speech = _speech(request)
    sentence = speech.gettext(refusal.sentence)
    text = sentence % {k: speech.gettext(v) for k, v in refusal.params.items()} if refusal.params else sentence
    return _page(request, status_of(refusal), (refusal.code, text, speech.gettext(refusal.advice)))


def _to_sign_in(request: PortalRequest) -> Response[str]:
    if (
        request.method != "GET"
    ):  # what was typed is gone; say so by asking to sign in, and never repeat an act by itself
        return redirect("/sign-in")
    query = request.scope["query_string"].decode("ascii", "replace")
    wanted = security.local_path(request.url.path + (f"?{query}" if query else ""))
    answer = redirect("/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted, safe='/')}")
    if request.headers.get("HX-Request"):
        # A script follows a 303 unseen and would put the sign-in page where a countdown was; this moves the whole page.
        answer.status_code = HTTPStatus.NO_CONTENT
        answer.headers["HX-Redirect"] = answer.headers.pop("Location")
    return answer


def _form_refused(request: Request[Any, Any, Any], _: security.FormRefused) -> Response[str]:
    return _plain(request, HTTPStatus.FORBIDDEN, _FORM)


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.NOT_FOUND:
        return _refusal(request, NotFound())
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _fault(request, error)
    return _plain(request, status, _METHOD if status is HTTPStatus.METHOD_NOT_ALLOWED else _BAD)


def _fault(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    log.error("portal.fault", exc_info=error, extra={"path": request.url.path})
    return _plain(request, HTTPStatus.INTERNAL_SERVER_ERROR, _FAULT)


def _plain(request: PortalRequest, status: int, words: tuple[str, str, str]) -> Response[str]:
    speech = _speech(request)
    code, text, advice = words
    return _page(request, status, (code, speech.gettext(text), speech.gettext(advice)))


def _speech(request: PortalRequest) -> Speech:
    visitor = getattr(request.state, "visitor", None)
    return visitor.speech if isinstance(visitor, Visitor) else speech_for(request, None, lockbox_of(request).clock())


def _page(request: PortalRequest, status: int, words: tuple[str, str, str]) -> Response[str]:
    speech = _speech(request)
    code, text, advice = words
    return html(
        request,
        "error.html",
        speech=speech,
        status=status,
        title=speech.gettext(_TITLES.get(HTTPStatus(status), _OTHER_TITLE)),
        text=text,
        advice=advice,
        code=code,
        is_sign_in=status == HTTPStatus.UNAUTHORIZED,
    )
