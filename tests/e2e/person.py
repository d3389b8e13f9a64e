"""A person of the system under test: signs in at the real portal, and uses portal and REST API with httpx."""

import re
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx
import pyotp

from openlockbox.services.accounts import SCOPES
from tests.e2e.cast import PASSWORD, Member

if TYPE_CHECKING:
    from tests.e2e.system import System

STEP = 30
COOKIE = "lockbox"  # http://localhost has no __Host- cookies
FRESH = timedelta(hours=1)  # the portal forgets an idle sign-in after two


class Person:
    """Signs in when needed, again after the clock was moved. Keeps every answer for a last look at what was shown."""

    def __init__(self, system: "System", member: Member, totp_secret: str) -> None:
        self._system, self.member, self.password = system, member, PASSWORD
        self._totp = pyotp.TOTP(totp_secret, interval=STEP)
        self._used_step = 0
        self._signed_at: datetime | None = None
        self._token = ""
        self.http = httpx.Client(
            base_url=system.base_url,
            timeout=20,
            trust_env=False,
            headers={"Accept-Language": "en"},
            event_hooks={"response": [self._keep]},
        )

    def _keep(self, response: httpx.Response) -> None:
        response.read()
        self._system.seen.append(response.text)

    def close(self) -> None:
        self.http.close()

    def code(self) -> str:
        """Return a one-time code that was not used. Where none is left in its window, the clock goes on by one step."""
        now = int(self._system.clock().timestamp()) // STEP
        step = max(self._used_step + 1, now - 1)
        if step > now + 1:
            self._system.advance(timedelta(seconds=STEP * (step - now - 1)))
        self._used_step = step
        return self._totp.generate_otp(step)

    def sign_in(self) -> None:
        """Sign in through the portal's form, and make a token for the REST API."""
        self.http.cookies.clear()
        answer = self.submit("/sign-in", mail=self.member.mail, password=self.password, code=self.code())
        assert answer.status_code == HTTPStatus.SEE_OTHER, answer.text
        made = self.submit("/profile/tokens", page="/profile", name="test", scopes=list(SCOPES))
        token = re.search(r"olbx_[A-Za-z0-9_-]+", made.text)
        assert token is not None, made.text
        self._token, self._signed_at = token[0], self._system.clock()

    def _fresh(self) -> None:
        if self._signed_at is None or self._system.clock() - self._signed_at > FRESH:
            self.sign_in()

    @property
    def cookie(self) -> dict[str, str]:
        """Return the sign-in for a browser that goes on as this person."""
        self._fresh()
        return {"name": COOKIE, "value": self.http.cookies[COOKIE], "url": self._system.base_url}

    # ---- portal ----

    def page(self, path: str) -> httpx.Response:
        self._fresh()
        return self.http.get(path, follow_redirects=True)

    def submit(self, path: str, *, page: str | None = None, **form: object) -> httpx.Response:
        """Send a form with the CSRF value of the page that it stands on."""
        shown = self.http.get(page or path)
        csrf = re.search(r'name="csrf" value="([^"]+)"', shown.text)
        assert csrf is not None, shown.text
        return self.http.post(path, data={"csrf": csrf[1], **form})

    # ---- REST ----

    def call(self, method: str, path: str, body: object = None, **query: str) -> httpx.Response:
        self._fresh()
        headers = {"Authorization": f"Bearer {self._token}"}
        return self.http.request(method, f"/api/v1{path}", json=body, params=query, headers=headers)

    def get(self, path: str, **query: str):
        answer = self.call("GET", path, **query)
        assert answer.is_success, answer.text
        return answer.json()

    def post(self, path: str, **body: object):
        answer = self.call("POST", path, body)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json()

    def refused(self, path: str, **body: object) -> str:
        """Command what must be refused, and return the stable code."""
        answer = self.call("POST", path, body)
        assert answer.is_client_error, f"{path} was not refused: {answer.text}"
        return answer.json()["code"]
