"""Who calls the API, and what every call is checked for before its body is read. Cookies count for nothing here."""

from typing import Any, Final, TypeAlias, cast

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection, Request
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.params import SkipValidation

from openlockbox.domain.errors import InvalidInput, NotFound, NotSignedIn
from openlockbox.domain.ids import CorrelationId, JitRequestId, RequestId, ResourceId, ServiceRequestId, TenantId
from openlockbox.services.accounts import find_token_caller
from openlockbox.services.work import About, Caller, Lockbox, record_refusal

SCHEME: Final = "bearer"
TOKEN_PREFIX: Final = "olbx_"  # noqa: S105  how tokens begin, so that leaked ones can be searched for
LONGEST_TOKEN: Final = 200
NO_QUERY_FIELDS: Final = frozenset({"caller", "data", "lockbox"})

Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]
# Both are made by this package, so their values need no validation.
CallerArgument: TypeAlias = NamedDependency[SkipValidation[Caller]]
LockboxArgument: TypeAlias = NamedDependency[SkipValidation[Lockbox]]


def lockbox_of(connection: Connection) -> Lockbox:
    """Return the lockbox of the app that serves this connection."""
    return cast("Lockbox", connection.app.state.lockbox)


async def need_token(connection: Connection, _: BaseRouteHandler) -> None:
    """Let only bearers of a valid personal token through; a guard of every API route.

    Raises:
        NotSignedIn: no token, or one that is unknown, ended or revoked.
    """
    scheme, _space, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != SCHEME or not secret.startswith(TOKEN_PREFIX) or len(secret) > LONGEST_TOKEN:
        raise NotSignedIn
    caller = await sync_to_thread(find_token_caller, lockbox_of(connection), secret)
    if caller is None:
        raise NotSignedIn
    connection.state.caller = caller


async def check_address(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse addresses that no client means: control characters, and query fields that the route does not know.

    An unknown filter that was ignored would show more than was asked for.

    Raises:
        NotFound, InvalidInput: see above.
    """
    if not connection.scope["path"].isprintable():
        raise NotFound
    known = handler.parsed_fn_signature.parameters.keys() - connection.path_params.keys() - NO_QUERY_FIELDS
    for name, value in connection.query_params.multi_items():
        if name not in known:
            raise InvalidInput(field=name[:60] if name.isprintable() else "query", problem="it is not known here")
        if not value.isprintable():
            raise InvalidInput(field=name, problem="it holds control characters")


async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Provide whom `need_token` let through."""
    return cast("Caller", request.state.caller)


async def provide_lockbox(request: Request[Any, Any, Any]) -> Lockbox:
    """Provide the lockbox."""
    return lockbox_of(request)


# ---- the organization in the address --------------------------------------------------------------------------------
# Services find a thing by its own id and check the caller's right to it. An address that names another organization than
# the thing's is wrong even where the caller may see both, so it is refused first, and recorded like any refusal.


def request_at(lockbox: Lockbox, caller: Caller, action: str, *, tenant_id: str, request_id: str) -> RequestId:
    """Return the id of a Lockbox request of this organization. Strangers are refused by the service that follows.

    Raises:
        NotFound: it is another organization's.
    """
    with lockbox.database.unit_of_work(read_only=True) as uow:
        try:
            found = uow.lockbox_requests.get(RequestId(request_id))
        except NotFound:
            return RequestId(request_id)  # the service refuses it, and records that
    if found.tenant_id != tenant_id:
        about = About(
            tenant_id=found.tenant_id,
            subject=f"request:{found.id}",
            resource_id=found.elevation.resource_id,
            correlation_id=CorrelationId(found.service_request_id),
        )
        _refuse_address(lockbox, caller, action, about)
    return found.id


def service_request_at(
    lockbox: Lockbox, caller: Caller, action: str, *, tenant_id: str, service_request_id: str
) -> ServiceRequestId:
    """Return the id of a service request of this organization.

    Raises:
        NotFound: it is another organization's.
    """
    with lockbox.database.unit_of_work(read_only=True) as uow:
        try:
            found = uow.service_requests.get(ServiceRequestId(service_request_id))
        except NotFound:
            return ServiceRequestId(service_request_id)  # the service refuses it, and records that
    if found.tenant_id != tenant_id:
        about = About(
            tenant_id=found.tenant_id,
            subject=f"service_request:{found.id}",
            resource_id=found.resource_id,
            correlation_id=CorrelationId(found.id),
        )
        _refuse_address(lockbox, caller, action, about)
    return found.id


def _refuse_address(lockbox: Lockbox, caller: Caller, action: str, about: About) -> None:
    refusal = NotFound()
    record_refusal(lockbox, caller, action, about, refusal)
    raise refusal


def lockbox_request_of(lockbox: Lockbox, jit_request_id: JitRequestId) -> RequestId | None:
    """Return the Lockbox request that a JIT request of the caller has led to, so that the answer can name it."""
    with lockbox.database.unit_of_work(read_only=True) as uow:
        found = uow.lockbox_requests.find_of_jit(jit_request_id)
    return None if found is None else found.id


def as_tenant(tenant_id: str) -> TenantId:
    """Take an organization's id from an address."""
    return TenantId(tenant_id)


def as_resource(resource_id: str) -> ResourceId:
    """Take a resource's id from outside; ids are compared in lower case."""
    return ResourceId(resource_id.strip().rstrip("/").lower())
