"""Settings of an organization, and one's own profile with personal tokens."""

from typing import Final
from zoneinfo import available_timezones

from litestar import Response, get, post
from litestar.params import FromPath

from openlockbox.domain.errors import LockboxError, StepUpRequired
from openlockbox.domain.ids import PrincipalId, SubscriptionId, TenantId
from openlockbox.domain.principal import SUBSCRIPTION_ROLES, Role
from openlockbox.domain.tenant import Subscription
from openlockbox.services import accounts, passkeys, setup, views
from openlockbox.services.ports import PersonalToken
from openlockbox.services.views import Settings
from openlockbox.web.portal.decide import UNPROCESSABLE
from openlockbox.web.portal.forms import Filled, Form, parse_id
from openlockbox.web.portal.page import OK, Signed, Visitor
from openlockbox.web.portal.passkeys import step_up_path
from openlockbox.web.portal.words import ROLE_MEANINGS

NAME_LENGTH: Final = 60


@get("/t/{tenant:str}/settings", sync_to_thread=True)
def settings_page(visitor: Signed, tenant: FromPath[str]) -> Response[str]:
    """Show who decides, and let administrators change it."""
    return _settings(visitor, TenantId(parse_id(tenant)), Form(), OK)


def _offered(view: Settings) -> list[tuple[str, Role, Subscription | None]]:
    """Return the roles that can be given, each with its scope, as one list: no choice of two fields can be wrong."""
    found: list[tuple[str, Role, Subscription | None]] = []
    for role in ROLE_MEANINGS:
        if role in SUBSCRIPTION_ROLES:
            found += [(f"{role}|{s.id}", role, s) for s in view.subscriptions]
        else:
            found.append((f"{role}|", role, None))
    return found


def _settings(visitor: Visitor, tenant_id: TenantId, form: Form, status: int) -> Response[str]:
    view = views.tenant_settings(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    return visitor.page(
        "customer/settings.html",
        status=status,
        tenant=tenant_id,
        view=view,
        form=form,
        offered=_offered(view),
        path_base=f"/t/{tenant_id}/settings",
    )


@post("/t/{tenant:str}/settings/roles", sync_to_thread=True)
def give_role(visitor: Signed, form: Filled, tenant: FromPath[str]) -> Response[str]:
    """Give a role."""
    return _change_role(visitor, form, TenantId(parse_id(tenant)), said="role_given")


@post("/t/{tenant:str}/settings/roles/remove", sync_to_thread=True)
def take_role(visitor: Signed, form: Filled, tenant: FromPath[str]) -> Response[str]:
    """Take a role away."""
    return _change_role(visitor, form, TenantId(parse_id(tenant)), said="role_taken")


def _change_role(visitor: Visitor, form: Form, tenant_id: TenantId, *, said: str) -> Response[str]:
    view = views.tenant_settings(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    person = PrincipalId(form.one_of("person", {p.id for p in view.people}))
    role, _, subscription = form.one_of("role", {value for value, _, _ in _offered(view)}).partition("|")
    if form.errors:
        return _settings(visitor, tenant_id, form, UNPROCESSABLE)
    change = setup.assign_role if said == "role_given" else setup.remove_role

    def done() -> str:
        change(
            visitor.lockbox,
            visitor.caller,
            tenant_id=tenant_id,
            principal_id=person,
            role=Role(role),
            subscription_id=SubscriptionId(subscription) if subscription else None,
        )
        return f"/t/{tenant_id}/settings"

    def back(refusal: LockboxError) -> Response[str]:
        return _settings(visitor, tenant_id, form, form.refuse(refusal))

    return visitor.act(done, said=said, back=back)


@get("/profile", sync_to_thread=True)
def profile_page(visitor: Signed) -> Response[str]:
    """Show language, time zone and tokens."""
    return _profile(visitor, Form(), OK)


def _profile(visitor: Visitor, form: Form, status: int, new: tuple[PersonalToken, str] | None = None) -> Response[str]:
    return visitor.page(
        "profile.html",
        status=status,
        form=form,
        tokens=accounts.tokens(visitor.lockbox, visitor.caller),
        passkeys=passkeys.mine(visitor.lockbox, visitor.caller),
        automation_keys=passkeys.my_automation_keys(visitor.lockbox, visitor.caller),
        scopes=accounts.SCOPES,
        zones=sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC"),
        new_token=None if new is None else new[0],
        secret="" if new is None else new[1],
    )


@post("/profile", sync_to_thread=True)
def change_profile(visitor: Signed, form: Filled) -> Response[str]:
    """Save language and time zone."""
    language = form.one_of("language", {"", *accounts.LANGUAGES})
    zone = form.text("time_zone", at_most=NAME_LENGTH)
    if form.errors:
        return _profile(visitor, form, UNPROCESSABLE)

    def done() -> str:
        accounts.change_profile(visitor.lockbox, visitor.caller, language=language, time_zone=zone)
        return "/profile"

    return visitor.act(done, said="profile_saved", back=lambda refusal: _profile(visitor, form, form.refuse(refusal)))


@post("/profile/tokens", sync_to_thread=True, status_code=OK)
def create_token(visitor: Signed, form: Filled) -> Response[str]:
    """Make a personal token and show its secret once, in this answer and nowhere else."""
    name = form.text("name", at_most=NAME_LENGTH)
    if form.errors:
        return _profile(visitor, form, UNPROCESSABLE)
    try:
        made = accounts.create_token(visitor.lockbox, visitor.caller, name=name, scopes=form.all("scopes"))
    except StepUpRequired:
        return visitor.go(step_up_path("/profile#tok"))
    except LockboxError as refusal:
        return _profile(visitor, form, form.refuse(refusal))
    return _profile(visitor, Form(), OK, made)


@post("/profile/tokens/{token_id:str}/revoke", sync_to_thread=True)
def revoke_token(visitor: Signed, token_id: FromPath[str]) -> Response[str]:
    """Revoke one's own token."""
    accounts.revoke_token(visitor.lockbox, visitor.caller, token_id=parse_id(token_id))
    return visitor.go("/profile", said="token_revoked")
