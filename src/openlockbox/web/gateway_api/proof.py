"""How a gateway's call is proved: the gateway signed method, path and body, just now. The key is read from the database each time.

1. The header is an envelope that names an enrolled gateway.
2. That gateway's key signed it.
3. Method, path with query, and the body's digest are those of this very call.
4. It was signed within 30 seconds of our clock.
"""

from typing import Any

from litestar.connection import Request
from litestar.handlers.base import BaseRouteHandler

from openlockbox.domain.errors import GatewayRefused
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import GatewayId
from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.gateway_request import SCHEME, peek_gateway_id, verify_request
from openlockbox.grants.keys import parse_public_key
from openlockbox.services.gateways import find_gateway, record_unproven
from openlockbox.services.work import Lockbox
from openlockbox.web.api.callers import Connection, lockbox_of
from openlockbox.web.gateway_api.threads import in_thread


async def need_gateway(connection: Connection, _: BaseRouteHandler) -> None:
    """Let only calls through that an enrolled gateway signed; a guard of every route but enrolment.

    Raises:
        GatewayRefused: a step above does not hold; which one is not said.
    """
    if not isinstance(connection, Request):
        raise GatewayRefused
    request: Request[Any, Any, Any] = connection
    header = request.headers.get("authorization", "")
    lockbox = lockbox_of(connection)
    if not header.startswith(f"{SCHEME} "):  # whoever shows nothing at all does not get a body read either
        await in_thread(record_unproven, lockbox)
        raise GatewayRefused
    body = await request.body()
    try:
        connection.state.gateway = await in_thread(prove, lockbox, header, request.method, signed_path(request), body)
    except GatewayRefused:
        await in_thread(record_unproven, lockbox)
        raise


def prove(lockbox: Lockbox, header: str, method: str, path: str, body: bytes) -> Gateway:
    """Return the gateway that signed this call.

    Raises:
        GatewayRefused: nobody provably did.
    """
    try:
        gateway = find_gateway(lockbox, GatewayId(peek_gateway_id(header)))  # 1
        verify_request(  # 2, 3, 4
            header,
            method=method,
            path=path,
            body=body,
            public_key=parse_public_key(gateway.public_key),
            now=lockbox.clock(),
        )
    except EnvelopeRefused as error:
        raise GatewayRefused from error
    return gateway


def signed_path(request: Request[Any, Any, Any]) -> str:
    """Return the request target as it was sent: undecoded, with its query."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    return (raw + (b"?" + query if query else b"")).decode("latin-1")
