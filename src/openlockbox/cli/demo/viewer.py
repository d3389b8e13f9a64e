"""Looks at the desktop as an engineer does: Chromium with the portal's own page, or xfreerdp on a virtual screen."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from openlockbox.cli.demo.picture import png_of_xwd, share_of_patch
from openlockbox.cli.demo.portal import COOKIE, StepFailed, Visitor
from openlockbox.cli.demo.stage import Stage
from openlockbox.testing.desktop_processes import DesktopUnavailable
from openlockbox.testing.desktops import ColourPatch, start_client_screen

if TYPE_CHECKING:
    from playwright.sync_api import Page

PICTURE_SECONDS: Final = 40.0
CUT_SECONDS: Final = 15.0
ENOUGH: Final = 0.04  # part of the screen in the window's colour; the window takes about a fifth

# Counts pixels of the desktop's canvas that have the window's colour; the component keeps it in its shadow root.
SHARE_SCRIPT: Final = """([red, green, blue]) => {
  const canvas = document.querySelector('iron-remote-desktop')?.shadowRoot?.querySelector('canvas');
  if (!canvas || !canvas.width) return 0;
  const copy = document.createElement('canvas'); copy.width = 128; copy.height = 96;
  const context = copy.getContext('2d', {willReadFrequently: true});
  context.drawImage(canvas, 0, 0, 128, 96);
  const data = context.getImageData(0, 0, 128, 96).data;
  let found = 0;
  for (let i = 0; i < data.length; i += 4)
    if (Math.abs(data[i]-red) < 12 && Math.abs(data[i+1]-green) < 12 && Math.abs(data[i+2]-blue) < 12) found += 1;
  return found / (128 * 96);
}"""
WATCH_SCRIPT: Final = """() => {
  const desktop = document.getElementById('desktop');
  new MutationObserver(() => {
    if (desktop.dataset.state === 'ended' && !window.endedAt) window.endedAt = performance.timeOrigin + performance.now();
  }).observe(desktop, {attributes: true});
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The first picture of the desktop, as PNG."""

    png: bytes
    milliseconds: int  # after the click on Connect


class Viewer(Protocol):
    """A way to look at the desktop."""

    name: str

    def connect(self, grant_id: str) -> Seen:
        """Connect and wait for the first picture with the known window.

        Raises:
            StepFailed: there is none.
        """

    def ended_at(self) -> float:
        """Wait for the end of the connection, and return when it was seen here, in seconds of the wall clock.

        Raises:
            StepFailed: it goes on.
        """


@contextmanager
def open_viewer(stage: Stage, engineer: Visitor) -> Iterator[Viewer]:
    """Open the best viewer there is.

    Raises:
        StepFailed: neither Chromium with playwright nor xfreerdp is here.
    """
    assert stage.desktop is not None  # noqa: S101  callers have looked
    with suppress(ImportError):
        from playwright.sync_api import sync_playwright

        if (chromium := shutil.which("chromium")) is not None and _has_scripts():
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
                context = browser.new_context(viewport={"width": 1100, "height": 860}, locale="en-GB")
                cookie = {"name": COOKIE, "value": engineer.cookie, "url": stage.settings.base_url}
                context.add_cookies([cookie])  # type: ignore[list-item]  # a TypedDict of playwright's own
                try:
                    yield BrowserViewer(context.new_page(), stage.settings.base_url, stage.desktop.patch)
                finally:
                    browser.close()
            return
    if shutil.which("xfreerdp") is None or shutil.which("xwd") is None:
        raise StepFailed("there is neither chromium with playwright nor xfreerdp with xwd to look with")
    try:
        with start_client_screen() as environment, tempfile.TemporaryDirectory(prefix="lockbox-rdp-") as directory:
            viewer = NativeViewer(engineer, environment, Path(directory), stage.desktop.patch)
            try:
                yield viewer
            finally:
                viewer.close()
    except DesktopUnavailable as error:
        raise StepFailed(str(error)) from error


def _has_scripts() -> bool:
    from importlib import resources

    return resources.files("openlockbox.web.portal").joinpath("static", "vendor", "iron_bg.wasm").is_file()


class BrowserViewer:
    """Chromium on the portal's session page."""

    name = "headless Chromium"

    def __init__(self, page: "Page", base_url: str, patch: ColourPatch) -> None:
        self._page, self._base_url, self._patch = page, base_url, patch

    def connect(self, grant_id: str) -> Seen:
        """See `Viewer.connect`."""
        page = self._page
        page.goto(f"{self._base_url}/engineer/grants/{grant_id}")
        size = page.locator("select[name=size]")
        if size.locator("option[value='1024x768']").count():
            size.select_option("1024x768")
        began = time.monotonic()
        page.locator("form[action$='/session'] button").click()
        page.wait_for_selector("#desktop")
        page.evaluate(WATCH_SCRIPT)
        wanted = [self._patch.red, self._patch.green, self._patch.blue]
        _until(
            lambda: page.evaluate(SHARE_SCRIPT, wanted) >= ENOUGH,
            PICTURE_SECONDS,
            "no picture of the desktop",
            self._state,
        )
        took = time.monotonic() - began
        return Seen(png=page.locator("#desktop").screenshot(), milliseconds=round(took * 1000))

    def ended_at(self) -> float:
        """See `Viewer.ended_at`."""
        page = self._page
        _until(
            lambda: page.evaluate("() => window.endedAt || 0") > 0, CUT_SECONDS, "the desktop was not cut", self._state
        )
        return float(page.evaluate("() => window.endedAt")) / 1000

    def _state(self) -> str:
        return str(
            self._page.evaluate("() => document.getElementById('desktop')?.innerText ?? document.body.innerText")
        )[:300]


class NativeViewer:
    """xfreerdp with the portal's .rdp file and one-time password."""

    name = "xfreerdp on a virtual screen"

    def __init__(self, engineer: Visitor, environment: dict[str, str], directory: Path, patch: ColourPatch) -> None:
        self._engineer, self._environment, self._directory, self._patch = engineer, environment, directory, patch
        self._client: subprocess.Popen[bytes] | None = None

    def connect(self, grant_id: str) -> Seen:
        """See `Viewer.connect`."""
        began = time.monotonic()
        offer = self._engineer.post(f"/grants/{grant_id}/connect", front="native")
        file = self._directory / "connection.rdp"
        file.write_text(offer["rdp_file"], newline="")
        # Demo and gateway are the same machine, and the password is good once, for a minute.
        command = ["xfreerdp", str(file), "/u:engineer", f"/p:{offer['native_password']}", "/cert:ignore", "/sec:tls"]
        self._client = subprocess.Popen(  # noqa: S603  a client of our own
            [*command, "/size:1024x768", "/log-level:OFF"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _until(
            lambda: share_of_patch(self._screen(), self._patch) >= ENOUGH,
            PICTURE_SECONDS,
            "no picture of the desktop",
            str,
        )
        took = time.monotonic() - began
        return Seen(png=png_of_xwd(self._screen()), milliseconds=round(took * 1000))

    def ended_at(self) -> float:
        """See `Viewer.ended_at`."""
        client = self._client
        _until(lambda: client is not None and client.poll() is not None, CUT_SECONDS, "the desktop was not cut", str)
        return time.time()

    def close(self) -> None:
        """End the client."""
        if self._client is not None:
            with suppress(ProcessLookupError):
                self._client.kill()
            self._client.wait()

    def _screen(self) -> bytes:
        command = ["xwd", "-root", "-silent"]
        return subprocess.run(command, env=self._environment, check=True, capture_output=True).stdout  # noqa: S603


def _until(happened: Callable[[], bool], seconds: float, otherwise: str, state: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise StepFailed(f"{otherwise} after {seconds:.0f} s {state()}".strip())
        time.sleep(0.02)
