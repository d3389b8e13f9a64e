"""Specification L1: portal and mails in Japanese too, each person in their own language."""

import re

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, keep, sign_in
from tests.e2e.cast import DEPOT
from tests.e2e.steps import open_case, pending, request
from tests.e2e.system import until

pytestmark = END_TO_END
JAPANESE = re.compile(r"[ぁ-んァ-ン一-龯]")


async def test_l1_mail_and_portal_are_japanese_for_who_reads_japanese(system, chromium):
    case = open_case(system, by="piet", resource=DEPOT, title="Tours are not planned")
    asked = pending(system, case, approver="piet")
    mail = until(lambda: system.mails_to("natsume", asked["id"]), "mail")[0]
    assert JAPANESE.search(mail.subject)
    assert all(JAPANESE.search(body) for body in (mail.text, mail.html))
    english = until(lambda: system.mails_to("piet", asked["id"]), "mail in English")[0]
    assert not JAPANESE.search(english.subject + english.text)

    page = await chromium.window(locale="ja-JP")
    await page.goto(re.search(re.escape(system.base_url) + r"\S+", mail.text)[0])
    assert await page.locator("html").get_attribute("lang") == "ja"
    await keep(page, "l1-sign-in")
    await sign_in(page, system.people["natsume"])
    await expect(page.locator("html")).to_have_attribute("lang", "ja")
    await expect(page.get_by_role("heading", level=1)).to_have_text(JAPANESE)
    await expect(page.locator("main")).not_to_contain_text(re.compile(r"\d+ (day|hour|minute)"))
    await keep(page, "l1-request")
    await page.locator("#reason").fill("調査をお願いします。")
    await page.locator("button[name=decision][value=approve]").click()
    await keep(page, "l1-confirm")
    await page.locator("form[action$='/confirm'] button").click()
    await expect(page.get_by_role("status").first).to_have_text(JAPANESE)
    await keep(page, "l1-approved")
    assert request(system, asked["id"], tenant=case.tenant, reader="natsume")["state"] == "approved"
    await page.goto("/t/pelimoor/activity")
    await keep(page, "l1-activity-log")
    # Another language for one page, and the profile's again on the next.
    await page.goto(f"/t/pelimoor/requests/{asked['id']}?lang=en")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
