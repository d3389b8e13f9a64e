"""The routes of the REST API, all behind one guard."""

from typing import Final

from litestar import Router
from litestar.datastructures import ResponseHeader
from litestar.di import Provide

from openlockbox.web.api import elevations, grants, locks, profile, requests, roster, service_requests, tenants
from openlockbox.web.api.callers import TokenGuard, check_address, check_body, provide_caller, provide_lockbox
from openlockbox.web.errors import API_HEADERS, PROBLEM_HANDLERS

PREFIX: Final = "/api/v1"
HEADERS: Final = tuple(
    ResponseHeader(name=name, value=value, documentation_only=False) for name, value in API_HEADERS.items()
)


def make_api() -> Router:
    """Make the router of the REST API."""
    return Router(
        PREFIX,
        route_handlers=[
            profile.read_me,
            profile.list_tokens,
            profile.revoke_token,
            profile.list_signing_keys,
            profile.add_signing_key,
            profile.remove_signing_key,
            requests.list_requests,
            requests.read_request,
            requests.approve_request,
            requests.deny_request,
            requests.prepare_statement,
            requests.decide_signed,
            requests.export_evidence,
            service_requests.list_service_requests,
            service_requests.list_choices,
            service_requests.open_service_request,
            service_requests.read_service_request,
            service_requests.reply,
            service_requests.take,
            service_requests.escalate,
            service_requests.close,
            service_requests.read_queue,
            elevations.request_elevation,
            elevations.preview_elevation,
            elevations.list_elevations,
            elevations.withdraw,
            elevations.list_reviews,
            elevations.read_review,
            elevations.approve_review,
            elevations.deny_review,
            grants.read_grant,
            grants.connect,
            grants.end_access,
            grants.abandon,
            locks.read_locks,
            locks.lock_tenant,
            locks.lock_resource,
            locks.read_engineer_locks,
            locks.lock_engineer,
            locks.lift,
            tenants.read_activity,
            tenants.read_entry,
            tenants.read_roles,
            roster.read_roster,
            roster.propose_change,
            roster.submit_roster,
            tenants.assign_role,
            tenants.remove_role,
        ],
        guards=[TokenGuard(), check_address, check_body],
        dependencies={"caller": Provide(provide_caller), "lockbox": Provide(provide_lockbox)},
        exception_handlers=PROBLEM_HANDLERS,
        response_headers=HEADERS,
    )
