"""Headless Chromium as the people use it: each person a context of their own, with or without scripts."""

import asyncio
import base64
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, expect

from openlockbox.testing.desktops import ColourPatch
from tests.e2e.person import Person
from tests.e2e.system import DEADLINE, REPOSITORY, System

# All tests share one browser, whose objects live on one event loop.
END_TO_END = [pytest.mark.e2e, pytest.mark.needs_root, pytest.mark.asyncio(loop_scope="session")]
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
]
PICTURES = REPOSITORY / "build" / "e2e"
SIZE = "1024x768"  # the one for which the known window's place is known
TOLERANCE = 14  # codecs are off by a few steps
# The component keeps the desktop's canvas in its shadow root; a picture of it needs no scaling back.
CANVAS = """() => {
  const canvas = document.querySelector('iron-remote-desktop')?.shadowRoot?.querySelector('canvas');
  return canvas && canvas.width > 1 ? canvas.toDataURL('image/png') : '';
}"""
HARMLESS = ("capturingInputs",)  # the component says it ten times a second when it may


async def soon(look: Callable[[], Awaitable[object]], what: str, seconds: float = DEADLINE):
    """Poll until `look` gives something true."""
    end = asyncio.get_running_loop().time() + seconds
    while not (found := await look()):
        assert asyncio.get_running_loop().time() < end, f"in {seconds:.0f} s there was no {what}"
        await asyncio.sleep(0.05)
    return found


def shows(picture: Image.Image, patch: ColourPatch) -> bool:
    """Tell whether every pixel of the known window is right: a sheared or empty picture is not."""
    box = picture.convert("RGB").crop((patch.x, patch.y, patch.x + patch.width, patch.y + patch.height))
    wanted = (patch.red, patch.green, patch.blue)
    return all(
        wanted[band] - TOLERANCE <= low and high <= wanted[band] + TOLERANCE
        for band, (low, high) in enumerate(box.getextrema())
    )


class Chromium:
    """One test's windows. What a page complains about on its console fails the test at its end."""

    def __init__(self, browser: Browser, system: System) -> None:
        self._browser, self._system = browser, system
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    async def window(self, person: Person | None = None, *, scripts: bool = True, locale: str = "en-GB") -> Page:
        """Open a window, signed in as somebody, or as nobody yet."""
        context = await self._browser.new_context(
            base_url=self._system.base_url,
            viewport={"width": 1100, "height": 900},
            java_script_enabled=scripts,
            locale=locale,
        )
        self._contexts.append(context)
        context.set_default_timeout(DEADLINE * 1000)
        if person is not None:
            await context.add_cookies([person.cookie])
        page = await context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _hear(self, message) -> None:
        if message.type in {"error", "warning"} and "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    async def close(self) -> None:
        for context in self._contexts:
            for page in context.pages:
                self._system.seen.append(await page.content())
            await context.close()
        assert self.complaints == []


async def sign_in(page: Page, person: Person) -> None:
    """Fill in the portal's sign-in form and go where it leads."""
    await page.get_by_label("Mail").or_(page.get_by_label("メール")).first.fill(person.member.mail)
    await page.locator("input[type=password]").fill(person.password)
    await page.locator("input[name=code]").fill(person.code())
    await page.locator("main form[action='/sign-in'] button").click()


async def connect(page: Page, grant_id: str) -> str:
    """Press Connect on the grant's page and return the id of the session; the picture may still be missing."""
    await page.goto(f"/engineer/grants/{grant_id}")
    await page.select_option("select[name=size]", SIZE)
    await page.get_by_role("button", name="Connect in this browser").click()
    address = await page.locator("#desktop").get_attribute("data-status-url")
    return address.split("/")[3]


async def canvas(page: Page) -> Image.Image | None:
    data = await page.evaluate(CANVAS)
    return Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))) if data else None


async def picture(page: Page, patch: ColourPatch) -> None:
    """Wait until the desktop with the known window is visible."""

    async def visible() -> bool:
        image = await canvas(page)
        return image is not None and shows(image, patch)

    await soon(visible, "picture of the desktop")
    await expect(page.locator("#desktop")).to_have_attribute("data-state", "connected")


async def ended(page: Page, *sentences: str) -> None:
    """Wait until the page says that the session is over, and why."""
    await expect(page.locator("#desktop")).to_have_attribute("data-state", "ended", timeout=DEADLINE * 1000)
    for sentence in sentences:
        await expect(page.locator("#desktop")).to_contain_text(sentence, timeout=DEADLINE * 1000)


async def keep(page: Page, name: str) -> Path:
    """Keep a picture of the whole page under build/e2e/."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    await page.screenshot(path=path, full_page=True)
    return path
