"""Who may see and do what, by role and scope. Pure rules on roles that the transaction has just read; default is no."""

from openlockbox.domain.errors import NotAllowed, NotFound
from openlockbox.domain.ids import TenantId
from openlockbox.domain.principal import CUSTOMER_ROLES, INTERNAL_APPROVER_ROLES, PROVIDER_ROLES, Role
from openlockbox.domain.service_request import ServiceRequest
from openlockbox.services.work import Work

SEE_SERVICE_REQUESTS = frozenset({Role.SUPPORT_ENGINEER}) | INTERNAL_APPROVER_ROLES


def at_provider(work: Work) -> frozenset[Role]:
    """Return the caller's provider roles; only the provider's own people can have any."""
    return frozenset(
        a.role for a in work.roles.assignments if a.role in PROVIDER_ROLES and a.tenant_id == work.principal.tenant_id
    )


def in_tenant(work: Work, tenant_id: TenantId) -> frozenset[Role]:
    """Return the caller's customer roles in a tenant, at any scope of it."""
    return work.roles.on_tenant(tenant_id) & CUSTOMER_ROLES


def is_member(work: Work, tenant_id: TenantId) -> bool:
    """Tell whether the caller belongs to the tenant or holds a customer role in it."""
    return work.principal.tenant_id == tenant_id or bool(in_tenant(work, tenant_id))


def see_tenant(work: Work, tenant_id: TenantId) -> None:
    """Let those pass who may read the tenant's requests and log: holders of a customer role there.

    Raises:
        NotFound: not of this tenant; whether it exists is not said.
        NotAllowed: of this tenant, without a role.
    """
    if not is_member(work, tenant_id):
        raise NotFound
    if not in_tenant(work, tenant_id):
        raise NotAllowed


def administer_tenant(work: Work, tenant_id: TenantId) -> None:
    """Let the tenant's administrators pass.

    Raises:
        NotFound: not of this tenant.
        NotAllowed: no administrator.
    """
    if not is_member(work, tenant_id):
        raise NotFound
    if Role.TENANT_ADMINISTRATOR not in in_tenant(work, tenant_id):
        raise NotAllowed


def need(work: Work, *roles: Role) -> None:
    """Let holders of any of these provider roles pass.

    Raises:
        NotAllowed: none of them.
    """
    if not at_provider(work) & set(roles):
        raise NotAllowed


def see_service_request(work: Work, service_request: ServiceRequest) -> None:
    """Let the opener, the tenant's role holders and the provider's support pass.

    Raises:
        NotFound: nobody of these; whether it exists is not said.
    """
    opener = service_request.opened_by == work.principal.id
    if not (opener or in_tenant(work, service_request.tenant_id) or at_provider(work) & SEE_SERVICE_REQUESTS):
        raise NotFound
