"""A browser without scripts over the world's application: cookies, forms as they stand in the page, and what a page must be."""

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from openlockbox.adapters.db import SqlDatabase
from openlockbox.services.ports import EntryFilter
from openlockbox.web.app import create_app
from openlockbox.web.portal.security import SIGN_IN_COOKIE, cookie_name
from tests.integration.web.conftest import WEB, WebWorld, web_world
from tests.world import AMBERTIDE, PELIMOOR, PROVIDER, FakeClock


class Page(HTMLParser):
    """What a page holds, as far as tests ask."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: list[tuple[dict[str, str], dict[str, str]]] = []
        self.text = ""
        self._in_script = False
        self.inline_script = ""
        self.feed(response.text)

    def handle_starttag(self, tag, attributes):
        found = {name: value or "" for name, value in attributes}
        self.tags.append((tag, found))
        self._in_script = tag in {"script", "style"}
        if tag == "form":
            self.forms.append((found, {}))
        elif self.forms and found.get("name") and (found.get("type") == "hidden" or "checked" in found):
            self.forms[-1][1][found["name"]] = found.get("value", "")

    def handle_endtag(self, tag):
        self._in_script = False

    def handle_data(self, data):
        if self._in_script:
            self.inline_script += data.strip()
        else:
            self.text += data

    def form(self, action: str) -> dict[str, str]:
        """Return the hidden and ticked fields of the form that posts there."""
        return next(dict(values) for found, values in self.forms if found.get("action", "").split("#")[0] == action)

    def count(self, tag: str, **attributes: str) -> int:
        return sum(t == tag and attributes.items() <= a.items() for t, a in self.tags)


@dataclass
class Browser:
    """Somebody's browser. Follows no redirect by itself."""

    world: WebWorld
    cookies: dict[str, str] = field(default_factory=dict)
    language: str = "en"

    def send(self, method: str, path: str, form: Mapping[str, Any] | None = None, **headers: str) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"Accept-Language": self.language, **({"Cookie": cookie} if cookie else {}), **headers}
        data = dict(form or {}) if method == "POST" else None
        response = self.world.call(method, path, headers=sent, data=data)
        for line in response.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value = rest.split(";", 1)[0].strip('"')
            if "max-age=0" in line.lower():
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return response

    def get(self, path: str) -> Page:
        response = self.send("GET", path)
        assert response.status_code == 200, (path, response.status_code, response.text[:400])
        return Page(response)

    def post(self, page: Page, action: str, **fields: Any) -> httpx.Response:
        """Send a form of a page, with its hidden fields."""
        return self.send("POST", action, {**page.form(action), **fields})


@contextmanager
def _copy(seeded: tuple[WebWorld, Path], directory: Path):
    """Copy a seeded world: seeding takes most of a second, and every test here wants a world of its own."""
    original, file = seeded
    path = directory / "lockbox.sqlite"
    shutil.copyfile(file, path)
    database = SqlDatabase(f"sqlite:///{path}", salt=os.urandom)
    clock = FakeClock()
    world = WebWorld(lockbox=replace(original.lockbox, database=database, clock=clock), clock=clock, keys=original.keys)
    world.app = create_app(world.lockbox, WEB)
    with world.runner:
        yield world
    database.close()


@pytest.fixture(scope="session")
def _seeded(tmp_path_factory, _sqlite_template):
    directory = tmp_path_factory.mktemp("seeded")
    with web_world(directory, _sqlite_template) as built:
        pass
    assert not Path(f"{directory}/lockbox.sqlite-wal").exists()  # all of it is in the one file that is copied
    return built, directory / "lockbox.sqlite"


@pytest.fixture
def world(_seeded, tmp_path):
    """Return a world of the test's own: pages show all that is there."""
    with _copy(_seeded, tmp_path) as copied:
        yield copied


@pytest.fixture(scope="module")
def shared_world(_seeded, tmp_path_factory):
    """Return a world for all tests of a module that change nothing in it."""
    with _copy(_seeded, tmp_path_factory.mktemp("world")) as copied:
        yield copied


@pytest.fixture
def browse(world):
    """Return a way to open somebody's browser."""

    def open_browser(name: str, language: str = "en") -> Browser:
        cookies = {cookie_name(WEB, SIGN_IN_COOKIE): world.sign_in(name)} if name else {}
        return Browser(world, cookies, language)

    return open_browser


@pytest.fixture
def everything(world):
    """Return a function that tells all that is stored in the logs: a page that changes something shows there."""

    def read() -> dict[str, list[bytes]]:
        with world.lockbox.database.unit_of_work(read_only=True) as uow:
            return {
                t: [e.leaf for e in uow.activity.entries(t, EntryFilter(limit=100_000))]
                for t in (PROVIDER, AMBERTIDE, PELIMOOR)
            }

    return read


def assert_is_sound(response: httpx.Response) -> Page:
    """Check what holds of every page, whatever it says."""
    page = Page(response)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert page.inline_script == "", "an inline script or style"
    assert not [t for t in page.tags if "style" in t[1] or any(name.startswith("on") for name in t[1])]
    assert page.count("h1") == 1
    assert page.count("main") == 1
    assert page.tags[0][1] in ({"lang": "en"}, {"lang": "ja"})
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids)), "an id stands twice"
    labels = {a["for"] for t, a in page.tags if t == "label" and "for" in a}
    for tag, found in page.tags:
        if tag in {"select", "textarea"} or (
            tag == "input" and found.get("type") not in {"hidden", "radio", "checkbox"}
        ):
            assert found.get("id") in labels, f"{found} has no label"
        for reference in found.get("aria-describedby", "").split() + found.get("aria-labelledby", "").split():
            assert reference in ids, f"{reference} is nowhere"
        if tag == "form":
            assert found.get("method") in {"post", "get"}
    for found, values in page.forms:
        assert found["method"] == "get" or values.get("csrf"), f"{found} has no CSRF value"
    assert "%(" not in page.text
    assert not re.search(r"\bNone\b", page.text)
    return page
