"""Lock everything, or one resource, and lift it; the provider's locks on engineers. The page that has the button says what happens."""

from litestar import Response, get, post
from litestar.params import FromPath

from openlockbox.domain.errors import LockboxError
from openlockbox.domain.ids import LockId, PrincipalId, ResourceId, TenantId
from openlockbox.services import lockdown
from openlockbox.services.service_requests import REASON_LENGTH
from openlockbox.web.portal.decide import UNPROCESSABLE
from openlockbox.web.portal.forms import Filled, Form, parse_id
from openlockbox.web.portal.page import OK, Signed, Visitor
from openlockbox.web.portal.security import local_path


def _page(visitor: Visitor, tenant_id: TenantId, form: Form, status: int) -> Response[str]:
    locks = lockdown.locks_of_tenant(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    path = f"/t/{tenant_id}/lock"
    return visitor.page("customer/lock.html", status=status, tenant=tenant_id, locks=locks, form=form, path=path)


@get("/t/{tenant:str}/lock", sync_to_thread=True)
def lock_page(visitor: Signed, tenant: FromPath[str]) -> Response[str]:
    """Say what locking does, and which locks stand. Changes nothing."""
    return _page(visitor, TenantId(parse_id(tenant)), Form(), OK)


@post("/t/{tenant:str}/lock", sync_to_thread=True)
def lock_everything(visitor: Signed, form: Filled, tenant: FromPath[str]) -> Response[str]:
    """Lock everything of the organization."""
    tenant_id = TenantId(parse_id(tenant))
    reason = form.text("reason", at_most=REASON_LENGTH, required=False)
    if form.errors:
        return _page(visitor, tenant_id, form, UNPROCESSABLE)

    def done() -> str:
        lockdown.lock_tenant(visitor.lockbox, visitor.caller, tenant_id=tenant_id, reason=reason)
        return f"/t/{tenant_id}"

    return visitor.act(done, said="locked", back=lambda refusal: _page(visitor, tenant_id, form, form.refuse(refusal)))


@post("/t/{tenant:str}/lock/resource", sync_to_thread=True)
def lock_resource(visitor: Signed, form: Filled, tenant: FromPath[str]) -> Response[str]:
    """Lock one resource of the organization."""
    tenant_id = TenantId(parse_id(tenant))
    offered = lockdown.locks_of_tenant(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    resource = form.one_of("resource", {id_ for id_, _ in offered.subjects})
    reason = form.text("reason", at_most=REASON_LENGTH, required=False)
    if form.errors:
        return _page(visitor, tenant_id, form, UNPROCESSABLE)

    def done() -> str:
        lockdown.lock_resource(visitor.lockbox, visitor.caller, resource_id=ResourceId(resource), reason=reason)
        return f"/t/{tenant_id}/lock"

    return visitor.act(
        done, said="resource_locked", back=lambda refusal: _page(visitor, tenant_id, form, form.refuse(refusal))
    )


@post("/provider/locks", sync_to_thread=True)
def lock_engineer(visitor: Signed, form: Filled) -> Response[str]:
    """Lock one engineer out of all customers."""
    offered = lockdown.locks_of_engineers(visitor.lockbox, visitor.caller)
    engineer = form.one_of("engineer", {id_ for id_, _ in offered.subjects})
    reason = form.text("reason", at_most=REASON_LENGTH, required=False)
    if form.errors:
        return visitor.go("/provider/access")
    lockdown.lock_engineer(visitor.lockbox, visitor.caller, principal_id=PrincipalId(engineer), reason=reason)
    return visitor.go("/provider/access", said="engineer_locked")


@post("/locks/{lock_id:str}/lift", sync_to_thread=True)
def lift(visitor: Signed, form: Filled, lock_id: FromPath[str]) -> Response[str]:
    """Lift a lock, from whichever page the button stood on."""
    back = local_path(form.typed("back"))
    try:
        lockdown.lift(visitor.lockbox, visitor.caller, lock_id=LockId(parse_id(lock_id)))
    except LockboxError as refusal:
        if refusal.code != "not_locked":
            raise
        return visitor.go(back)  # the page, read again, shows that somebody else was quicker
    return visitor.go(back, said="lock_lifted")
