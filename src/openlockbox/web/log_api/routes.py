"""The routes of the logs: tiles, checkpoints, openings, documents, cosignatures. Decides nothing; services/log.py does."""

import re
from typing import Any, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath, RawBody

from openlockbox.activitylog.tiles import parse_tile_path
from openlockbox.domain.errors import InvalidInput, NotFound, NotSignedIn
from openlockbox.services import accounts, log
from openlockbox.web.api.callers import (
    CallerArgument,
    LockboxArgument,
    TokenGuard,
    as_tenant,
    check_address,
    lockbox_of,
    provide_caller,
    provide_lockbox,
)
from openlockbox.web.api.routes import HEADERS
from openlockbox.web.errors import PROBLEM_HANDLERS
from openlockbox.web.portal import security

TEXT: Final = "text/plain"  # the framework adds the charset
BYTES: Final = "application/octet-stream"
LARGEST_INDEX: Final = 2**53
_LEVEL: Final = re.compile(r"0|[1-9][0-9]?", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class ReaderGuard:
    """Lets bearers of a personal token through, and those who are signed in to the portal. For routes that change nothing."""

    def __init__(self) -> None:
        self._token = TokenGuard()

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Put the caller where `provide_caller` finds it.

        Raises:
            NotSignedIn: neither.
        """
        secret = security.read_cookie(connection, security.SIGN_IN_COOKIE)
        if "authorization" in connection.headers or not secret:
            await self._token(connection, handler)
            return
        found = await sync_to_thread(accounts.find_caller, lockbox_of(connection), secret)
        if found is None:
            raise NotSignedIn
        connection.state.caller = found[0]


def _found(content: bytes | str | None, media_type: str) -> Response[bytes | str]:
    if content is None:
        raise NotFound
    return Response(content, media_type=media_type)


@get("/checkpoint", sync_to_thread=True)
def read_checkpoint(lockbox: LockboxArgument, caller: CallerArgument, tenant: FromPath[str]) -> Response[bytes | str]:
    """Return the newest checkpoint."""
    return _found(log.checkpoint(lockbox, caller, tenant_id=as_tenant(tenant)), TEXT)


@get("/witnessed", sync_to_thread=True)
def read_witnessed(lockbox: LockboxArgument, caller: CallerArgument, tenant: FromPath[str]) -> Response[bytes | str]:
    """Return the newest checkpoint that witnesses cosigned."""
    return _found(log.witnessed(lockbox, caller, tenant_id=as_tenant(tenant)), TEXT)


@get("/tile/{level:str}/{place:path}", sync_to_thread=True)
def read_tile(
    lockbox: LockboxArgument, caller: CallerArgument, tenant: FromPath[str], level: FromPath[str], place: FromPath[str]
) -> Response[bytes | str]:
    """Return a tile of hashes, or with level `entries` a bundle of leaves."""
    parsed, tenant_id = parse_tile_path(place.removeprefix("/")), as_tenant(tenant)
    if parsed is None or parsed[0] > LARGEST_INDEX:
        raise NotFound
    index, width = parsed
    if level == "entries":
        return _found(log.entry_bundle(lockbox, caller, tenant_id=tenant_id, index=index, width=width), BYTES)
    if not _LEVEL.fullmatch(level):
        raise NotFound
    return _found(log.tile(lockbox, caller, tenant_id=tenant_id, level=int(level), index=index, width=width), BYTES)


@get("/opened/{index:int}", sync_to_thread=True)
def read_opened(
    lockbox: LockboxArgument, caller: CallerArgument, tenant: FromPath[str], index: FromPath[int]
) -> Response[bytes]:
    """Return what lies open beside the entries of a bundle, by index."""
    if not 0 <= index <= LARGEST_INDEX:
        raise NotFound
    found = log.opened(lockbox, caller, tenant_id=as_tenant(tenant), index=index)
    fields = {
        str(number): {name: {"salt": f.salt, "value": f.value} for name, f in opened.items()}
        for number, opened in found.items()
    }
    return Response(msgspec.json.encode(fields), media_type="application/json")


@get("/documents/{sha256:str}", sync_to_thread=True)
def read_document(
    lockbox: LockboxArgument, caller: CallerArgument, tenant: FromPath[str], sha256: FromPath[str]
) -> Response[bytes | str]:
    """Return a document that an entry names by its digest."""
    if not _SHA256.fullmatch(sha256):
        raise NotFound
    return _found(log.document(lockbox, caller, tenant_id=as_tenant(tenant), sha256=sha256), TEXT)


@post("/cosignatures", sync_to_thread=True)
def submit_cosignature(
    lockbox: LockboxArgument, caller: CallerArgument, tenant: FromPath[str], body: RawBody
) -> Response[dict[str, int]]:
    """Keep the cosignature that ends the checkpoint sent."""
    try:
        note = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(field="body", problem="it is no UTF-8") from error
    size = log.submit_cosignature(lockbox, caller, tenant_id=as_tenant(tenant), note=note)
    return Response({"size": size})


def make_log_api() -> Router:
    """Make the router of the logs."""
    return Router(
        "/log/{tenant:str}",
        route_handlers=[
            Router(
                "/",
                route_handlers=[read_checkpoint, read_witnessed, read_tile, read_opened, read_document],
                guards=[ReaderGuard(), check_address],
            ),
            Router("/", route_handlers=[submit_cosignature], guards=[TokenGuard(), check_address]),
        ],
        dependencies={"caller": Provide(provide_caller), "lockbox": Provide(provide_lockbox)},
        exception_handlers=PROBLEM_HANDLERS,
        response_headers=HEADERS,
    )
