"""Who calls the API, and what every call is checked for before its body is read. Cookies count for nothing here."""

import time
from dataclasses import replace
from typing import Any, Final, TypeAlias, cast

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection, Request
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.params import SkipValidation

from openlockbox.domain.errors import InvalidInput, NotFound, NotSignedIn
from openlockbox.domain.ids import JitRequestId, RequestId, ResourceId, TenantId
from openlockbox.services.accounts import find_token_caller, secret_digest
from openlockbox.services.work import Caller, Lockbox

SCHEME: Final = "bearer"
TOKEN_PREFIX: Final = "olbx_"  # noqa: S105  how tokens begin, so that leaked ones can be searched for
LONGEST_TOKEN: Final = 200
REMEMBERED_SECONDS: Final = 60  # afterwards a revoked token is turned away before its request's body is read
MOST_REMEMBERED: Final = 10_000  # tokens in use at once; some hundred bytes each
NO_QUERY_FIELDS: Final = frozenset({"caller", "data", "lockbox"})

Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]
# Both are made by this package, so their values need no validation.
CallerArgument: TypeAlias = NamedDependency[SkipValidation[Caller]]
LockboxArgument: TypeAlias = NamedDependency[SkipValidation[Lockbox]]


def lockbox_of(connection: Connection) -> Lockbox:
    """Return the lockbox of the app that serves this connection."""
    return cast("Lockbox", connection.app.state.lockbox)


class TokenGuard:
    """Lets only bearers of a valid personal token through; a guard of every API route, one object an app.

    It remembers whom a token speaks for, which never changes, and so opens no transaction for a request. Whether the token still
    holds does change: every use case reads that in its own transaction, and a token revoked meanwhile gets no further.
    """

    def __init__(self) -> None:
        self._met: dict[str, tuple[Caller, float]] = {}  # in the order in which they were met

    async def __call__(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Put the caller where `provide_caller` finds it.

        Raises:
            NotSignedIn: no token, or one that is unknown, ended or revoked.
        """
        scheme, _space, secret = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != SCHEME or not secret.startswith(TOKEN_PREFIX) or len(secret) > LONGEST_TOKEN:
            raise NotSignedIn
        caller = self._recall(secret)
        if caller is None:
            caller = await sync_to_thread(find_token_caller, lockbox_of(connection), secret)
            if caller is None:
                raise NotSignedIn
            self._remember(secret, caller)
        connection.state.caller = caller

    def _recall(self, secret: str) -> Caller | None:
        found = self._met.get(secret_digest(secret))
        return found[0] if found is not None and time.monotonic() - found[1] < REMEMBERED_SECONDS else None

    def _remember(self, secret: str, caller: Caller) -> None:
        digest = secret_digest(secret)
        self._met.pop(digest, None)
        if len(self._met) >= MOST_REMEMBERED:
            del self._met[next(iter(self._met))]
        self._met[digest] = caller, time.monotonic()


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


async def check_body(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse a request without a body where the route needs one, in words that say so.

    Raises:
        InvalidInput: see above.
    """
    if "data" not in handler.parsed_fn_signature.parameters or "transfer-encoding" in connection.headers:
        return
    if connection.headers.get("content-length", "0") == "0":
        raise InvalidInput(field="body", problem="the request needs a JSON body")


async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Provide whom the guard let through."""
    return cast("Caller", request.state.caller)


async def provide_lockbox(request: Request[Any, Any, Any]) -> Lockbox:
    """Provide the lockbox."""
    return lockbox_of(request)


def under(caller: Caller, tenant_id: str) -> Caller:
    """Return the caller of an address that names an organization: what the use case concerns must be that organization's.

    Services find a thing by its own id and check the caller's right to it. An address that names another organization than
    the thing's is wrong even where the caller may see both; it is refused, and recorded, like any refusal.
    """
    return replace(caller, addressed=TenantId(tenant_id))


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
