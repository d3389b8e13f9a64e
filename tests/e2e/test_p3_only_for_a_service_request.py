"""Specification P3: a Lockbox request is the engineer's to start, and only on a ticket that the customer filed."""

from http import HTTPStatus

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END
from tests.e2e.cast import AMBERTIDE, KILN
from tests.e2e.steps import DESCRIPTION, TITLE, ask, open_case, question

pytestmark = END_TO_END
OPENED = {
    "subscription_id": "ambertide-production",
    "resource_id": KILN,
    "title": TITLE,
    "description": DESCRIPTION,
    "severity": "b",
}


async def test_p3_the_provider_cannot_file_a_service_request_for_the_customer(system, chromium):
    idris = system.people["idris"]
    page = await chromium.window(idris)
    shown = await page.goto(f"/t/{AMBERTIDE}/service-requests/new")
    assert shown.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    await expect(page.locator("form[action$='/service-requests/new']")).to_have_count(0)
    before = len(system.entries(code="service_request.opened"))
    code = idris.refused(f"/tenants/{AMBERTIDE}/service-requests", **OPENED)
    assert code in {"service_request_not_by_customer", "not_found"}
    assert len(system.entries(code="service_request.opened")) == before


async def test_p3_only_an_engineer_on_the_case_asks_and_only_while_it_is_open(system):
    case = open_case(system)
    assert system.people["wrenna"].refused(f"{case.path}/elevations", **question(case)) == "not_assigned"
    assert system.people["senna"].refused(f"{case.path}/elevations", **question(case)) in {"not_allowed", "not_found"}
    invented = case.path.replace(case.id, "SR-0000-0000")
    assert system.people["idris"].refused(f"{invented}/elevations", **question(case)) == "not_found"
    system.people["idris"].post(f"{case.path}/escalate", to="wrenna")
    assert ask(system, case, by="wrenna")["state"] == "forwarded"
    system.people["bram"].post(f"{case.path}/close")
    assert system.people["wrenna"].refused(f"{case.path}/elevations", **question(case)) == "service_request_closed"
