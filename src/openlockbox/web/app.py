"""The ASGI application: REST API, gateway protocol and portal over one lockbox. Keeps nothing in memory that matters."""

import functools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final

from litestar import Litestar, Request, Response, Router, get
from litestar.concurrency import get_asyncio_executor, set_asyncio_executor
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from openlockbox.domain.errors import LockboxError
from openlockbox.services.gateways import revocation_version
from openlockbox.services.work import Lockbox
from openlockbox.web.api.callers import LockboxArgument, provide_lockbox
from openlockbox.web.api.openapi import read_openapi
from openlockbox.web.api.routes import HEADERS, make_api
from openlockbox.web.errors import answer_fault, answer_http, answer_refusal
from openlockbox.web.gateway_api.routes import make_gateway_api
from openlockbox.web.gateway_api.threads import in_thread
from openlockbox.web.gateway_api.watch import RevocationWatch
from openlockbox.web.log_api.routes import make_log_api
from openlockbox.web.portal.routes import PORTAL_HANDLERS, portal_exception_handlers, portal_template_config
from openlockbox.web.settings import WebSettings

log = logging.getLogger(__name__)

LARGEST_BODY: Final = 256 * 1024  # the longest conversation message is 8,000 characters
# Together with the gateways' threads no more than the database's pool (10), or threads would wait for connections.
HANDLER_THREADS: Final = 7
PROGRAM_PATHS: Final = ("/api/", "/gateway/", "/log/", "/healthz", "/readyz")

Answer = Callable[[Request[Any, Any, Any], Any], Response[Any]]


@get("/healthz", sync_to_thread=False)
def healthz() -> dict[str, str]:
    """Tell that the process runs."""
    return {"status": "ok"}


@get("/readyz", sync_to_thread=True)
def readyz(lockbox: LockboxArgument) -> Response[dict[str, str]]:
    """Tell whether the database answers and the installation is initialized."""
    try:
        with lockbox.database.unit_of_work(read_only=True) as uow:
            uow.tenants.provider()
    except Exception:  # whatever it is, the answer to a load balancer is "not now"
        log.warning("web.not_ready", exc_info=True)
        return Response({"status": "not ready"}, status_code=HTTPStatus.SERVICE_UNAVAILABLE)
    return Response({"status": "ready"})


def _answer(request: Request[Any, Any, Any], error: Exception, *, otherwise: Answer) -> Response[Any]:
    """Answer programs with problem details, whatever went wrong and before or after a route was found; people with a page."""
    if not request.scope["path"].startswith(PROGRAM_PATHS):
        return otherwise(request, error)
    match error:
        case LockboxError():
            return answer_refusal(request, error)
        case HTTPException():
            return answer_http(request, error)
        case _:
            return answer_fault(request, error)


def _handlers(for_people: ExceptionHandlersMap) -> ExceptionHandlersMap:
    return {kind: functools.partial(_answer, otherwise=handler) for kind, handler in for_people.items()}


def create_app(lockbox: Lockbox, web: WebSettings) -> Litestar:
    """Make the application. Each process makes one."""
    if get_asyncio_executor() is None:
        set_asyncio_executor(ThreadPoolExecutor(HANDLER_THREADS, thread_name_prefix="web"))
    programs = Router(
        "/",
        route_handlers=[healthz, readyz],
        dependencies={"lockbox": Provide(provide_lockbox)},
        response_headers=HEADERS,
    )
    watch = RevocationWatch(
        functools.partial(in_thread, revocation_version, lockbox), lockbox.database.revocation_bell()
    )
    return Litestar(
        route_handlers=[
            make_api(),
            read_openapi,
            make_gateway_api(),
            make_log_api(),
            programs,
            *PORTAL_HANDLERS,
        ],
        state=State({"lockbox": lockbox, "web": web, "revocation_watch": watch}),
        exception_handlers=_handlers(portal_exception_handlers()),
        template_config=portal_template_config(),
        request_max_body_size=LARGEST_BODY,
        openapi_config=None,  # `read_openapi` serves the API's document; pages are none of its business
        logging_config=None,
        debug=False,
    )
