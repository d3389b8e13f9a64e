"""A signed-in reader and the pages made for them. Renders in the handler's thread; knows no single page.

`Visitor` is what every handler gets: who calls, in which language and zone, and how to answer with a page or a redirect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, TypeAlias

from litestar import Response
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.params import SkipValidation

from openlockbox.domain.errors import LockboxError, NotFound, NotSignedIn, RecordUnavailable
from openlockbox.domain.ids import TenantId
from openlockbox.domain.principal import INTERNAL_APPROVER_ROLES, Principal, Role
from openlockbox.domain.tenant import Tenant
from openlockbox.services import accounts, views
from openlockbox.services.authority import SEE_SERVICE_REQUESTS
from openlockbox.services.views import Me
from openlockbox.services.work import Caller, Lockbox
from openlockbox.web.i18n import choose_language
from openlockbox.web.portal import security
from openlockbox.web.portal.forms import PortalRequest
from openlockbox.web.portal.speech import Speech, find_zone
from openlockbox.web.settings import WebSettings

SEE_OTHER: Final = 303
OK: Final = 200
MOST_BEATS: Final = 60  # one a minute
SAID: Final = frozenset(
    {
        "approved",
        "denied",
        "reply_sent",
        "service_request_opened",
        "service_request_closed",
        "service_request_taken",
        "service_request_escalated",
        "elevation_requested",
        "elevation_withdrawn",
        "review_approved",
        "review_denied",
        "access_ending",
        "locked",
        "resource_locked",
        "engineer_locked",
        "lock_lifted",
        "role_given",
        "roster_changed",
        "role_taken",
        "profile_saved",
        "token_revoked",
        "passkey_added",
        "passkey_renamed",
        "passkey_removed",
        "signing_key_removed",
        "stepped_up",
        "signed_out",
    }
)


def lockbox_of(request: PortalRequest) -> Lockbox:
    """Return the use cases' wiring of the app that serves this request."""
    lockbox = request.app.state.lockbox
    if not isinstance(lockbox, Lockbox):
        raise TypeError("app.state.lockbox is missing")
    return lockbox


def speech_for(request: PortalRequest, principal: Principal | None, now: datetime) -> Speech:
    """Choose language and zone: a link's `lang`, then the profile, then the browser."""
    language = choose_language(
        request.query_params.get("lang"),
        None if principal is None else principal.language,
        accept_language=request.headers.get("Accept-Language", ""),
    )
    return Speech(language, find_zone(principal.time_zone if principal else "UTC"), now)


def html(
    request: PortalRequest,
    template: str,
    *,
    speech: Speech,
    status: int = OK,
    gateway: str | None = None,
    cookies: list[Cookie] | None = None,
    **values: object,
) -> Response[str]:
    """Render a template now, in the calling thread, and answer with the security headers of its page."""
    engine = request.app.template_engine
    if engine is None:
        raise TypeError("the app has no template engine; see portal_template_config")
    web = security.settings_of(request)
    content = engine.get_template(template).render({"speech": speech, "web": web, "path": request.url.path, **values})
    return Response(
        content,
        status_code=status,
        media_type=MediaType.HTML,
        headers=security.headers(gateway=gateway),
        cookies=cookies or [],
    )


@dataclass(frozen=True)
class Visitor:
    """Whoever reads the page, signed in. No slots: `me` is read at most once a request."""

    request: PortalRequest
    lockbox: Lockbox
    web: WebSettings
    caller: Caller
    principal: Principal
    secret: str
    speech: Speech

    @cached_property
    def me(self) -> Me:
        """Return which doors are the visitor's."""
        return views.me(self.lockbox, self.caller)

    def page(
        self,
        template: str,
        *,
        status: int = OK,
        tenant: TenantId | None = None,
        gateway: str | None = None,
        cookies: list[Cookie] | None = None,
        **values: object,
    ) -> Response[str]:
        """Render a page inside the portal's frame. `tenant` is the organization whose address it is."""
        said = security.read_cookie(self.request, security.SAID_COOKIE)
        forget = [security.make_cookie(self.web, security.SAID_COOKIE, "", seconds=0)] if said else []
        return html(
            self.request,
            template,
            speech=self.speech,
            status=status,
            gateway=gateway,
            cookies=[*(cookies or []), *forget],
            me=self.me,
            tenant_of_page=self.tenant(tenant),
            csrf=security.csrf_value(self.web, sign_in=self.secret),
            said=said if said in SAID else "",
            beat=self.beat,
            **values,
        )

    @property
    def beat(self) -> int:
        """Return how often this page may still refresh itself: an hour, so that a forgotten tab does not stay signed in."""
        text = self.request.query_params.get("beat", "")
        return min(int(text), MOST_BEATS) if text.isascii() and text.isdigit() else MOST_BEATS

    def tenant(self, tenant_id: TenantId | None) -> Tenant | None:
        """Return the organization of the address, or the visitor's first one."""
        own = sorted(
            self.me.tenants, key=lambda t: (t.id != self.principal.tenant_id, t.id not in self.me.readable, t.name)
        )
        return next((t for t in own if t.id == tenant_id), own[0] if own else None)

    def go(self, path: str, *, said: str = "", cookies: list[Cookie] | None = None) -> Response[str]:
        """Answer an act with a 303, and let the next page say what was done."""
        answer = list(cookies or [])
        if said:
            answer.append(security.make_cookie(self.web, security.SAID_COOKIE, said, seconds=security.SAID_SECONDS))
        return redirect(path, answer)

    def act(
        self, done: Callable[[], str], *, said: str, back: Callable[[LockboxError], Response[str]]
    ) -> Response[str]:
        """Do something that may be refused: go where `done` says, or show the page again with the refusal."""
        try:
            path = done()
        except (NotFound, NotSignedIn, RecordUnavailable):
            raise  # there is no page to show again
        except LockboxError as refusal:
            return back(refusal)
        return self.go(path, said=said)

    def landing(self) -> str:
        """Return the path where this visitor begins."""
        tenant = self.tenant(None)
        roles = self.me.roles
        if tenant is not None:
            return f"/t/{tenant.id}" if tenant.id in self.me.readable else f"/t/{tenant.id}/service-requests"
        if roles & SEE_SERVICE_REQUESTS:
            return "/engineer" if Role.SUPPORT_ENGINEER in roles or not roles & INTERNAL_APPROVER_ROLES else "/review"
        return "/provider/access" if Role.OPERATOR in roles else "/profile"


Signed: TypeAlias = NamedDependency[SkipValidation[Visitor]]  # how a handler asks for the signed-in visitor


def redirect(path: str, cookies: list[Cookie] | None = None) -> Response[str]:
    """Answer with a 303 to a path of this portal."""
    answer = security.headers() | {"Location": path}
    return Response("", status_code=SEE_OTHER, headers=answer, cookies=cookies or [], media_type=MediaType.HTML)


def provide_visitor(request: PortalRequest) -> Visitor:
    """Return the signed-in visitor; a dependency of every handler but sign-in.

    Raises:
        NotSignedIn: nobody is; the exception handler leads to the sign-in page.
    """
    secret = security.read_cookie(request, security.SIGN_IN_COOKIE)
    lockbox = lockbox_of(request)
    found = accounts.find_caller(lockbox, secret) if secret else None
    if found is None:
        raise NotSignedIn
    caller, principal = found
    visitor = Visitor(
        request=request,
        lockbox=lockbox,
        web=security.settings_of(request),
        caller=caller,
        principal=principal,
        secret=secret,
        speech=speech_for(request, principal, lockbox.clock()),
    )
    request.state.visitor = visitor  # an error page speaks the visitor's language too
    return visitor
