"""A person at the portal, without a browser: reads pages, sends their forms, and uses the REST API with a token of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import httpx

from openlockbox.cli.demo.cast import Account
from openlockbox.services.accounts import SCOPES

TIMEOUT_SECONDS: Final = 20
COOKIE: Final = "lockbox"  # http://localhost has no __Host- cookies


class StepFailed(Exception):
    """Something in the walkthrough did not happen as it should."""


@dataclass(slots=True)
class Form:
    """One form of a page: where it goes and what it would send as it stands."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text: list[str] = []
        self._open: Form | None = None
        self._select: str | None = None
        self._code = False
        self.codes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""))
            self.forms.append(self._open)
        elif tag == "code":
            self._code = True
        elif self._open is not None and tag == "input":
            ticked = given.get("type") not in {"radio", "checkbox"} or "checked" in given
            if given.get("name") and ticked:
                self._open.fields.append((given["name"], given.get("value", "")))
        elif self._open is not None and tag == "select":
            self._select = given.get("name")
        elif self._open is not None and tag == "option" and self._select and "selected" in given:
            self._open.fields.append((self._select, given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None
        elif tag == "code":
            self._code = False

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._code:
            self.codes.append(data.strip())


@dataclass(frozen=True, slots=True)
class Page:
    """A page as somebody sees it."""

    address: str
    text: str
    forms: tuple[Form, ...]
    codes: tuple[str, ...]  # what stands in <code>

    def must_show(self, *words: str) -> None:
        """Check that the page says this.

        Raises:
            StepFailed: it does not.
        """
        for word in words:
            if word not in self.text:
                raise StepFailed(f"{self.address} does not show {word!r}")


class Visitor:
    """One signed-in person."""

    def __init__(self, base_url: str, account: Account) -> None:
        self.account = account
        self._http = httpx.Client(
            base_url=base_url,
            timeout=TIMEOUT_SECONDS,
            follow_redirects=True,
            trust_env=False,
            headers={"Accept-Language": "en"},
        )
        self._token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def sign_in(self) -> None:
        """Sign in with password and one-time code, and make a token for the REST API."""
        account = self.account
        shown = self.page("/sign-in")
        self.submit(shown, "/sign-in", mail=account.person.mail, password=account.password, code=account.code())
        if COOKIE not in self._http.cookies:
            raise StepFailed(f"{account.person.name} could not sign in")
        made = self.submit(self.page("/profile"), "/profile/tokens", name="walkthrough", scopes=list(SCOPES))
        self._token = next((code for code in made.codes if code.startswith("olbx_")), "")
        if not self._token:
            raise StepFailed(f"{account.person.name} got no token")

    @property
    def cookie(self) -> str:
        """Return the sign-in cookie, for a browser that goes on as the same person."""
        return str(self._http.cookies[COOKIE])

    def page(self, address: str) -> Page:
        """Open a page.

        Raises:
            StepFailed: there is none.
        """
        return self._read(self._http.get(address))

    def submit(self, page: Page, action: str, **values: str | Sequence[str]) -> Page:
        """Send the page's form whose address ends like this, with these fields filled in.

        Raises:
            StepFailed: no such form, or it is refused.
        """
        form = next((f for f in page.forms if f.action.endswith(action)), None)
        if form is None:
            raise StepFailed(f"{page.address} has no form {action}")
        data: dict[str, str | Sequence[str]] = {name: value for name, value in form.fields if name not in values}
        return self._read(self._http.post(form.action, data=data | values))

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401  JSON
        """Ask the REST API."""
        return self._json("GET", path, query=query, body=None)

    def post(self, path: str, **body: object) -> Any:  # noqa: ANN401  JSON
        """Command by the REST API."""
        return self._json("POST", path, query={}, body=body)

    def refused(self, path: str, **body: object) -> str:
        """Command what must be refused, and return the stable code.

        Raises:
            StepFailed: it was not refused.
        """
        response = self._call("POST", path, query={}, body=body)
        if response.is_success:
            raise StepFailed(f"{path} was not refused")
        return str(response.json().get("code", response.status_code))

    def _json(self, method: str, path: str, *, query: Mapping[str, str], body: Mapping[str, object] | None) -> Any:  # noqa: ANN401  JSON
        response = self._call(method, path, query=query, body=body)
        if not response.is_success:
            raise StepFailed(f"{method} {path}: {response.status_code} {response.text[:300]}")
        return response.json()

    def _call(
        self, method: str, path: str, *, query: Mapping[str, str], body: Mapping[str, object] | None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        return self._http.request(method, f"/api/v1{path}", params=query, json=body, headers=headers)

    def _read(self, response: httpx.Response) -> Page:
        address = str(response.url)
        if response.status_code != HTTPStatus.OK:
            raise StepFailed(f"{response.request.method} {address}: {response.status_code}")
        parser = _Page()
        parser.feed(response.text)
        return Page(address, " ".join(" ".join(parser.text).split()), tuple(parser.forms), tuple(parser.codes))
