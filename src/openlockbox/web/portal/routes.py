"""The portal's routes, for the app to mount, with what all of them share: guard, visitor, form, error pages."""

from typing import Final

from litestar import Router
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.response import Response
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from openlockbox.web.portal import (
    activity,
    cases,
    customer,
    decide,
    engineer,
    home,
    lockdown,
    passkeys,
    people,
    review,
    roster,
    sessions,
)
from openlockbox.web.portal.failures import portal_exception_handlers
from openlockbox.web.portal.forms import provide_form
from openlockbox.web.portal.page import provide_visitor
from openlockbox.web.portal.security import check_form
from openlockbox.web.portal.templating import STATIC, portal_template_config, static_path

__all__ = ["PORTAL_HANDLERS", "portal_exception_handlers", "portal_template_config"]

LARGEST_FORM: Final = 256 * 1024  # bytes; the longest field has 8,000 characters
ONE_YEAR: Final = 365 * 24 * 3600

_HANDLERS: Final[list[ControllerRouterHandler]] = [
    home.home,
    home.sign_in_page,
    home.sign_in,
    home.begin_passkey,
    home.sign_in_with_passkey,
    home.sign_out,
    passkeys.begin_enrolment,
    passkeys.enrol,
    passkeys.rename,
    passkeys.remove,
    passkeys.remove_automation_key,
    passkeys.step_up_page,
    passkeys.begin_step_up,
    passkeys.step_up_by_passkey,
    passkeys.step_up_by_code,
    customer.overview,
    customer.requests,
    customer.request,
    customer.end_access,
    customer.download_evidence,
    lockdown.lock_page,
    lockdown.lock_everything,
    lockdown.lock_resource,
    lockdown.lock_engineer,
    lockdown.lift,
    decide.decide,
    decide.confirm_page,
    decide.confirm,
    roster.roster_page,
    roster.write_change,
    roster.review,
    roster.submit,
    roster.download,
    cases.service_request_list,
    cases.new_page,
    cases.open_service_request,
    cases.service_request,
    cases.reply,
    cases.close,
    activity.activity_page,
    activity.entry_page,
    activity.download,
    activity.provider_page,
    activity.provider_entry,
    activity.provider_download,
    people.settings_page,
    people.give_role,
    people.take_role,
    people.profile_page,
    people.change_profile,
    people.create_token,
    people.revoke_token,
    engineer.queue,
    engineer.case_page,
    engineer.reply,
    engineer.take,
    engineer.escalate,
    engineer.close,
    engineer.request_elevation,
    engineer.elevations,
    engineer.withdraw,
    sessions.provider_access,
    sessions.grant_page,
    sessions.session_address,
    sessions.connect,
    sessions.connect_native,
    sessions.rdp_file,
    sessions.time_left,
    sessions.ended,
    review.review_queue,
    review.review_page,
    review.review,
]


def _harden_static(response: Response[object]) -> Response[object]:
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


PORTAL_HANDLERS: Final[list[ControllerRouterHandler]] = [
    Router(
        path="/",
        route_handlers=_HANDLERS,
        guards=[check_form],
        dependencies={
            "visitor": Provide(provide_visitor, sync_to_thread=True),
            "form": Provide(provide_form),
        },
        exception_handlers=portal_exception_handlers(),
        include_in_schema=False,
        request_max_body_size=LARGEST_FORM,
    ),
    # Without a guard and without cookies: the same bytes for everybody.
    create_static_files_router(
        path=static_path(),
        directories=[STATIC],
        name="portal-static",
        cache_control=CacheControlHeader(max_age=ONE_YEAR, public=True, immutable=True),
        after_request=_harden_static,
        exception_handlers=portal_exception_handlers(),
    ),
]
