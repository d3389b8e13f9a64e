"""Refusals as HTTP: one status for each code, and RFC 9457 problem details. Knows no route and no page.

The portal uses the same statuses; only the API and the gateways get problem details.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from openlockbox.domain.errors import (
    ForeignResource,
    InvalidInput,
    LockboxError,
    NotFound,
    NotSignedIn,
    UnknownResource,
)
from openlockbox.domain.text import N_
from openlockbox.web.i18n import choose_language, translations

log = logging.getLogger(__name__)

PROBLEM_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:openlockbox:error:"
RETRY_AFTER: Final = "60"  # seconds; the throttles count in windows of minutes

# Every refusal has a line here and one in docs/spec/error-codes.md; tests see to it.
STATUS_OF: Final[Mapping[str, HTTPStatus]] = MappingProxyType(
    {
        "already_decided": HTTPStatus.CONFLICT,
        "already_exists": HTTPStatus.CONFLICT,
        "already_revoked": HTTPStatus.CONFLICT,
        "classic_resource": HTTPStatus.UNPROCESSABLE_ENTITY,
        "code_refused": HTTPStatus.FORBIDDEN,
        "concurrent_update": HTTPStatus.CONFLICT,
        "decision_widens": HTTPStatus.UNPROCESSABLE_ENTITY,
        "engineer_locked": HTTPStatus.LOCKED,
        "foreign_resource": HTTPStatus.UNPROCESSABLE_ENTITY,
        "engineer_key_required": HTTPStatus.CONFLICT,
        "gateway_refused": HTTPStatus.UNAUTHORIZED,
        "grant_not_usable": HTTPStatus.CONFLICT,
        "illegal_transition": HTTPStatus.CONFLICT,
        "invalid_input": HTTPStatus.UNPROCESSABLE_ENTITY,
        "jit_refused": HTTPStatus.FORBIDDEN,
        "key_added_later": HTTPStatus.FORBIDDEN,
        "key_not_on_roster": HTTPStatus.FORBIDDEN,
        "no_designated_approver": HTTPStatus.CONFLICT,
        "not_allowed": HTTPStatus.FORBIDDEN,
        "not_allowed_to_revoke": HTTPStatus.FORBIDDEN,
        "not_an_approver": HTTPStatus.FORBIDDEN,
        "not_an_internal_approver": HTTPStatus.FORBIDDEN,
        "not_assigned": HTTPStatus.FORBIDDEN,
        "not_found": HTTPStatus.NOT_FOUND,
        "not_locked": HTTPStatus.CONFLICT,
        "not_signed_in": HTTPStatus.UNAUTHORIZED,
        "passkey_refused": HTTPStatus.UNPROCESSABLE_ENTITY,
        "record_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
        "request_changed": HTTPStatus.CONFLICT,
        "request_expired": HTTPStatus.CONFLICT,
        "request_superseded": HTTPStatus.CONFLICT,
        "resource_locked": HTTPStatus.LOCKED,
        "resource_not_reachable": HTTPStatus.CONFLICT,
        "roster_change_refused": HTTPStatus.CONFLICT,
        "roster_code_wrong": HTTPStatus.FORBIDDEN,
        "roster_exists": HTTPStatus.CONFLICT,
        "scenario_not_enabled": HTTPStatus.FORBIDDEN,
        "scenario_not_supported": HTTPStatus.UNPROCESSABLE_ENTITY,
        "self_approval": HTTPStatus.FORBIDDEN,
        "service_request_closed": HTTPStatus.CONFLICT,
        "service_request_in_use": HTTPStatus.CONFLICT,
        "service_request_not_by_customer": HTTPStatus.FORBIDDEN,
        "sign_in_failed": HTTPStatus.UNAUTHORIZED,
        "signature_required": HTTPStatus.FORBIDDEN,
        "signature_wrong": HTTPStatus.UNPROCESSABLE_ENTITY,
        "statement_differs": HTTPStatus.UNPROCESSABLE_ENTITY,
        "statement_too_old": HTTPStatus.CONFLICT,
        "step_up_required": HTTPStatus.FORBIDDEN,
        "support_plan_too_low": HTTPStatus.FORBIDDEN,
        "tenant_locked": HTTPStatus.LOCKED,
        "throttled": HTTPStatus.TOO_MANY_REQUESTS,
        "token_scope_missing": HTTPStatus.FORBIDDEN,
        "unknown_resource": HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRefusal:
    """What HTTP itself refuses, before any use case is asked."""

    code: str
    status: HTTPStatus
    sentence: str
    advice: str


METHOD_NOT_ALLOWED: Final = EdgeRefusal(
    code="method_not_allowed",
    status=HTTPStatus.METHOD_NOT_ALLOWED,
    sentence=N_("This address does not take that method."),
    advice=N_("Use one of the methods that the API document lists."),
)
BODY_TOO_LARGE: Final = EdgeRefusal(
    code="body_too_large",
    status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    sentence=N_("The request is too large."),
    advice=N_("Send less in one request."),
)
INTERNAL_ERROR: Final = EdgeRefusal(
    code="internal_error",
    status=HTTPStatus.INTERNAL_SERVER_ERROR,
    sentence=N_("Something went wrong on our side. What you sent may not have been done."),
    advice=N_("Look at the present state, then try again. The operator finds the cause in the log files."),
)
EDGE_REFUSALS: Final = (METHOD_NOT_ALLOWED, BODY_TOO_LARGE, INTERNAL_ERROR)

API_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Problem details (RFC 9457). `code` is stable, the sentences are for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    advice: str
    params: dict[str, str]


def status_of(refusal: LockboxError) -> HTTPStatus:
    """Return the HTTP status of a refusal."""
    return STATUS_OF[refusal.code]


def as_told(refusal: LockboxError) -> LockboxError:
    """Return what may be told: a resource of another organization looks exactly like one that does not exist."""
    return UnknownResource() if isinstance(refusal, ForeignResource) else refusal


def speak(request: Request[Any, Any, Any]) -> Callable[[str], str]:
    """Return what translates for this caller: the API has no profile to ask, only the Accept-Language header."""
    return translations(choose_language(accept_language=request.headers.get("accept-language", ""))).gettext


def problem_of(refusal: LockboxError, *, translate: Callable[[str], str]) -> Problem:
    """Describe a refusal in the caller's language."""
    told = as_told(refusal)
    sentence = translate(told.sentence)
    detail = sentence % told.params if told.params else sentence
    return Problem(
        type=TYPE_PREFIX + told.code,
        title=HTTPStatus(status_of(told)).phrase,
        status=status_of(told),
        detail=detail,
        code=told.code,
        advice=translate(told.advice),
        params=dict(told.params),
    )


def _edge_problem(refusal: EdgeRefusal, *, translate: Callable[[str], str]) -> Problem:
    return Problem(
        type=TYPE_PREFIX + refusal.code,
        title=refusal.status.phrase,
        status=refusal.status,
        detail=translate(refusal.sentence),
        code=refusal.code,
        advice=translate(refusal.advice),
        params={},
    )


def _answer(problem: Problem) -> Response[Problem]:
    headers = dict(API_HEADERS)
    if problem.code == NotSignedIn.code:
        headers["WWW-Authenticate"] = 'Bearer realm="OpenLockbox"'
    if problem.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers["Retry-After"] = RETRY_AFTER
    return Response(problem, status_code=problem.status, media_type=PROBLEM_TYPE, headers=headers)


def answer_refusal(request: Request[Any, Any, Any], refusal: LockboxError) -> Response[Problem]:
    """Answer a refusal of a use case."""
    return _answer(problem_of(refusal, translate=speak(request)))


def answer_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer what the framework refuses. What it says about an input is kept, what it says about itself is not."""
    match error.status_code:
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            return answer_refusal(request, _invalid(error))
        case HTTPStatus.NOT_FOUND:
            return answer_refusal(request, NotFound())
        case HTTPStatus.METHOD_NOT_ALLOWED:
            answer = _answer(_edge_problem(METHOD_NOT_ALLOWED, translate=speak(request)))
            answer.headers.update(error.headers or {})
            return answer
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return _answer(_edge_problem(BODY_TOO_LARGE, translate=speak(request)))
        case _:
            return answer_fault(request, error)


def _invalid(error: HTTPException) -> InvalidInput:
    first = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
    found = first if isinstance(first, dict) else {}
    return InvalidInput(
        field=str(found.get("key") or found.get("source") or "body"), problem=str(found.get("message") or error.detail)
    )


def answer_fault(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Answer a fault of ours, and write it to the log files; nothing of it reaches the caller."""
    log.error("web.fault method=%s path=%s", request.method, request.scope["path"], exc_info=error)
    return _answer(_edge_problem(INTERNAL_ERROR, translate=speak(request)))


PROBLEM_HANDLERS: Final[ExceptionHandlersMap] = {
    LockboxError: answer_refusal,
    HTTPException: answer_http,
    Exception: answer_fault,
}


def all_refusals() -> list[type[LockboxError]]:
    """Return every kind of refusal of this package, by code."""
    found: list[type[LockboxError]] = []
    waiting = LockboxError.__subclasses__()
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting.extend(kind.__subclasses__())
    return sorted((k for k in found if k.__module__.startswith("openlockbox.")), key=lambda kind: kind.code)


def error_codes_text() -> str:
    """Return docs/spec/error-codes.md. Make it again with `python -m openlockbox.web.errors > docs/spec/error-codes.md`."""
    lines = [
        "# Error codes",
        "",
        "Generated by `python -m openlockbox.web.errors`; a test compares it with the code. Codes are stable, sentences are not.",
        "The REST API and the gateway protocol answer with problem details (RFC 9457), `application/problem+json`:",
        f"`type` is `{TYPE_PREFIX}<code>`, `detail` and `advice` are in the language of `Accept-Language`, `params` holds what",
        "the sentence names. The portal uses the same statuses. Refusals of a known caller are in the activity log.",
        "",
        "| code | status | meaning | sentence |",
        "| --- | --- | --- | --- |",
    ]
    for kind in all_refusals():
        meaning = " ".join((kind.__doc__ or "").split())
        lines.append(f"| `{kind.code}` | {STATUS_OF[kind.code]:d} | {meaning} | {kind.sentence} |")
    lines += [
        "",
        "`foreign_resource` is in the log only: the caller is told `unknown_resource`.",
        "",
        "## What HTTP itself refuses",
        "",
        "These come before any use case is asked, so they are not in the activity log.",
        "",
        "| code | status | sentence |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{edge.code}` | {edge.status:d} | {edge.sentence} |" for edge in EDGE_REFUSALS]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(error_codes_text())
