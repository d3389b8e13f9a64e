"""Nobody sees or touches what belongs to another organization, and what does not exist looks the same."""

from http import HTTPStatus

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, keep
from tests.e2e.cast import AMBERTIDE, DEPOT, PELIMOOR
from tests.e2e.steps import granted, open_case, path_of, pending, question, request

pytestmark = END_TO_END


async def test_an_owner_of_another_organization_sees_nothing_and_decides_nothing(system, chromium):
    asked = pending(system)
    piet = system.people["piet"]
    page = await chromium.window(piet)
    case = asked["service_request_id"]
    for path in (f"requests/{asked['id']}", f"service-requests/{case}", "activity", "settings", "requests"):
        shown = await page.goto(f"/t/{AMBERTIDE}/{path}")
        assert shown.status == HTTPStatus.NOT_FOUND
        await expect(page.locator("main")).to_contain_text("There is no such page or record")
        assert "Ambertide" not in await page.locator("body").inner_text()
    await keep(page, "wrong-tenant")
    unknown = await page.goto(f"/t/{AMBERTIDE}/requests/LBX-0000-0000")
    assert unknown.status == HTTPStatus.NOT_FOUND
    for decision in ("approve", "deny"):
        assert piet.refused(f"{path_of(asked)}/{decision}", digest=asked["digest"]) == "not_found"
        # Under the own organization's address it is no better.
        own = path_of(asked).replace(AMBERTIDE, PELIMOOR)
        assert piet.refused(f"{own}/{decision}", digest=asked["digest"]) == "not_found"
    assert request(system, asked["id"])["state"] == "customer_notified"


async def test_another_organizations_resource_cannot_be_asked_for(system):
    case = open_case(system)
    assert system.people["idris"].refused(f"{case.path}/elevations", **question(case, resource_id=DEPOT)) == (
        "unknown_resource"
    )
    assert system.entries(code="jit_request.submit.refused")[-1].event.detail["code"] == "foreign_resource"


async def test_an_access_is_its_engineers_alone(system):
    grant_id = granted(system)
    for person in ("wrenna", "maud", "piet", "bram"):
        assert system.people[person].refused(f"/grants/{grant_id}/connect", front="browser") == "not_found"
    assert system.people["senna"].refused(f"/grants/{grant_id}/connect", front="browser") == "not_found"
