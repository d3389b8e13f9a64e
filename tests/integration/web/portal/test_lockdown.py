"""Lock everything from the portal, without scripts: the page that says what happens, the banner, who lifts it; engineers too."""

from datetime import timedelta

import pytest

from openlockbox.domain.grant import GrantState
from openlockbox.domain.lockdown import LockState
from openlockbox.services import gateways, lockdown
from tests.integration.web.portal.conftest import assert_is_sound
from tests.world import AMBERTIDE, GATEWAY, MACHINE

T = "/t/ambertide"


def renew(world):
    gateways.renew_lease(
        world.lockbox,
        gateways.find_gateway(world.lockbox, GATEWAY),
        applied_version=gateways.revocation_version(world.lockbox),
    )


def grant_of(world, grant):
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        return uow.grants.get(grant.id)


@pytest.mark.parametrize("name", ["senna", "orla", "tessa"])
@pytest.mark.parametrize("start", [T, f"{T}/requests"])
def test_the_button_leads_to_a_page_that_says_what_happens(world, browse, everything, name, start):
    world.granted()
    browser = browse(name)
    page = browser.get(start)
    assert page.count("a", href=f"{T}/lock") == 1
    before = everything()
    shown = browser.get(f"{T}/lock")
    assert_is_sound(shown.response)
    for words in (
        "1 open access ends at once",
        "Nobody can approve, connect or ask for access",
        "get a mail",
        "can lift it",
    ):
        assert words in shown.text
    assert everything() == before


def test_lock_everything_then_lift_it(world, browse):
    grant, waiting = world.granted(), world.pending()
    renew(world)
    world.clock.advance(timedelta(seconds=9))
    browser = browse("orla")
    done = browser.post(browser.get(f"{T}/lock"), f"{T}/lock", reason="Nobody asked for this.")
    assert (done.status_code, done.headers["location"]) == (303, T)
    page = browser.get(T)
    assert_is_sound(page.response)
    assert "Everything is locked." in page.text
    assert "All access to Ambertide Ceramics is locked" in page.text
    assert "Locked by Orla" in page.text
    assert "Nobody asked for this." in page.text
    assert "Missing: gateway-1, last heard of" in page.text
    assert world.clock.now.strftime("%Y-%m-%d 09:00:00 UTC") in page.text
    assert page.count("a", href=f"{T}/lock") == 0
    assert not any(form["action"].endswith("/lift") for form, _ in page.forms)  # an approver locks and does not lift

    request = browser.get(f"{T}/requests/{grant.request_id}")
    assert "Waiting for gateway-1 to confirm, last heard of" in request.text
    provider = browse("oper").get("/provider/access")
    assert "Waiting for gateway-1 to confirm" in provider.text
    decider = browse("senna")
    path = f"{T}/requests/{waiting.id}"
    decider.post(decider.get(path), f"{path}/decide", decision="approve", duration="PT4H", reason="")
    refused = decider.post(decider.get(f"{path}/confirm"), f"{path}/confirm")
    assert "The customer has locked all access to this organization." in refused.text

    world.clock.advance(timedelta(milliseconds=123))
    renew(world)
    page = decider.get(f"{T}/requests")
    assert "every gateway confirmed within 123 ms" in page.text
    assert "The gateway confirmed after 123 ms" in decider.get(f"{T}/requests/{grant.request_id}").text
    (lock,) = lockdown.locks_of_tenant(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE).standing
    lifted = decider.post(page, f"/locks/{lock.lock.id}/lift")
    assert lifted.headers["location"] == f"{T}/requests"
    assert "The lock is lifted." in decider.get(T).text
    assert grant_of(world, grant).state is GrantState.REVOKED
    again = decider.post(page, f"/locks/{lock.lock.id}/lift")
    assert again.status_code == 303  # somebody was quicker: the page shows how it stands
    world.approve(waiting)


def test_one_resource(world, browse):
    grant = world.granted()
    browser = browse("senna", "ja")
    page = browser.get(f"{T}/lock")
    wrong = browser.post(page, f"{T}/lock/resource", resource="/elsewhere")
    assert wrong.status_code == 422
    assert browser.post(page, f"{T}/lock/resource", resource=MACHINE, reason="").status_code == 303
    assert grant_of(world, grant).state is GrantState.REVOKING
    shown = browser.get(f"{T}/lock")
    assert "vm-kiln-07はロックされています" in shown.text
    assert_is_sound(shown.response)
    assert browser.post(page, f"{T}/lock", reason="x" * 501).status_code == 422


def test_a_reader_sees_the_lock_and_no_button(world, browse):
    browser = browse("rhea")
    assert browser.get(T).count("a", href=f"{T}/lock") == 0
    shown = browser.get(f"{T}/lock")
    assert shown.forms == [] or not any(form["action"] == f"{T}/lock" for form, _ in shown.forms)
    sender = browse("senna")
    sender.post(sender.get(f"{T}/lock"), f"{T}/lock", reason="")
    assert "All access to Ambertide Ceramics is locked" in browser.get(T).text


def test_the_provider_locks_an_engineer_out(world, browse):
    grant = world.granted()
    browser = browse("maud")
    page = browser.get("/provider/access")
    assert browser.post(page, "/provider/locks", engineer="nobody", reason="").headers["location"] == "/provider/access"
    done = browser.post(page, "/provider/locks", engineer="idris", reason="Laptop stolen.")
    assert done.status_code == 303
    shown = browser.get("/provider/access")
    assert_is_sound(shown.response)
    assert "Idris is locked out of all customers" in shown.text
    assert "Missing: gateway-1, never heard of." in shown.text
    assert grant_of(world, grant).state is GrantState.REVOKING
    assert "Maud ended this access" in browse("senna").get(f"{T}/requests/{grant.request_id}").text
    (lock,) = lockdown.locks_of_engineers(world.lockbox, world.caller("oper")).standing
    assert browser.post(shown, f"/locks/{lock.lock.id}/lift").status_code == 303
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.locks.get(lock.lock.id).state is LockState.LIFTED
