"""Walks through the whole workflow of specification.md (W1 to W11, A1) by the public interfaces, and shows each step."""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from openlockbox.cli.demo.cast import AMBERTIDE, KILN, OLD_KILN, SUBSCRIPTIONS
from openlockbox.cli.demo.portal import Page, StepFailed, Visitor
from openlockbox.cli.demo.stage import DemoFailed, Say, Stage, last_lines
from openlockbox.cli.demo.viewer import Viewer, open_viewer
from openlockbox.testing.smtp_server import Received

T = TypeVar("T")

WAIT_SECONDS: Final = 30.0  # for what the worker or the gateway does by itself
TENANT: Final = f"/tenants/{AMBERTIDE}"
TITLE: Final = "Kiln database drops connections"
# specification A1: the names of the four actions that the log is filtered by
ACTIONS: Final = {
    "request.created": "Create Lockbox Request",
    "request.approved": "Approve Lockbox Request",
    "request.denied": "Deny Lockbox Request",
    "request.expired": "Lockbox Request Expiry",
}


def walk(stage: Stage, *, picture: Path | None, say: Say) -> None:
    """Walk through it all.

    Raises:
        DemoFailed: a step failed; what was said before tells how far it came.
    """
    try:
        with ExitStack() as doors:
            _Walk(stage, doors, picture, say).all()
    except StepFailed as error:
        raise DemoFailed(f"FAILED: {error}\n{last_lines(stage.log_file)}") from error


@dataclass(slots=True)
class _Step:
    said: list[str]

    def tell(self, text: str) -> None:
        self.said.append(text)


class _Walk:
    def __init__(self, stage: Stage, doors: ExitStack, picture: Path | None, say: Say) -> None:
        self._stage, self._doors, self._picture, self._say = stage, doors, picture, say
        self._people: dict[str, Visitor] = {}
        self._service_request = ""
        self._elevation = ""
        self._request = ""
        self._grant = ""
        self._request_page: Page | None = None

    def all(self) -> None:
        """Take every step in its order."""
        self._sign_in()
        self._customer_asks()
        self._engineer_reviews()
        self._classic_is_refused()
        self._elevation_is_asked()
        self._lead_approves()
        self._customer_is_told()
        self._approver_reads()
        self._approver_approves()
        self._desktop()
        self._log()
        self._say("")
        self._say("The walkthrough is complete: every step happened.")

    def _person(self, name: str) -> Visitor:
        return self._people[name]

    @contextmanager
    def _step(self, rows: str, title: str) -> Iterator[_Step]:
        self._say("")
        self._say(f"{rows:<8}{title}")
        began = time.monotonic()
        step = _Step([])
        try:
            yield step
        finally:
            for line in step.said:
                self._say(f"        {line}")
        self._say(f"        done in {time.monotonic() - began:.2f} s")

    def _sign_in(self) -> None:
        with self._step("", "Everybody signs in at the portal with password and one-time code") as step:
            for name in ("bram", "senna", "idris", "maud"):
                visitor = self._doors.enter_context(Visitor(self._stage.settings.base_url, self._stage.accounts[name]))
                visitor.sign_in()
                self._people[name] = visitor
                person = visitor.account.person
                step.tell(f"{person.name}, {person.title}")

    def _customer_asks(self) -> None:
        with self._step("W1 W2", "Bram Tollivane of Ambertide Ceramics opens a service request") as step:
            opened = self._person("bram").post(
                f"{TENANT}/service-requests",
                subscription_id=SUBSCRIPTIONS[AMBERTIDE][0],
                resource_id=KILN,
                title=TITLE,
                description="Since the update on Saturday the kiln controller loses its database every few minutes.",
                severity="b",
            )
            self._service_request = opened["id"]
            step.tell(f"{self._service_request}: {TITLE}")
            self._person("idris").post(f"{self._case}/take")
            step.tell("Idris Marrowby of Ostervane Cloud takes it over.")

    @property
    def _case(self) -> str:
        return f"{TENANT}/service-requests/{self._service_request}"

    def _engineer_reviews(self) -> None:
        with self._step("W3", "Idris reviews it and answers") as step:
            idris = self._person("idris")
            self._person("idris").page(f"/engineer/service-requests/{self._service_request}").must_show(TITLE)
            answer = "Telemetry shows the service stopping, not the reason. I need to look at the machine itself."
            idris.post(f"{self._case}/reply", body=answer)
            step.tell(f"“{answer}”")

    def _classic_is_refused(self) -> None:
        with self._step("V4", "A classic machine is refused, with advice") as step:
            code = self._person("idris").refused(
                f"{self._case}/elevations",
                resource_id=OLD_KILN,
                scenario="remote_desktop",
                permission="operate",
                justification="to compare with the old controller",
            )
            _equal("the refusal", code, "classic_resource")
            step.tell(f"refused: {code}")

    def _elevation_is_asked(self) -> None:
        with self._step(
            "W4 W5", "Idris asks the just-in-time service for elevation: remote desktop as administrator"
        ) as step:
            asked = self._person("idris").post(
                f"{self._case}/elevations",
                resource_id=KILN,
                scenario="remote_desktop",
                permission="administrator",
                justification="Read the local event log and the database's startup settings.",
            )
            self._elevation = asked["id"]
            for reason in asked["verdict"]["reasons"]:
                step.tell(reason["texts"]["en"])
            _equal("the elevation's state", asked["state"], "internal_review")

    def _lead_approves(self) -> None:
        with self._step("W5 W6", "Maud Ferrisane, support lead, approves internally; a Lockbox request starts") as step:
            maud = self._person("maud")
            forwarded = maud.post(
                f"/reviews/{self._elevation}/approve", reason="Agreed with the customer on the phone."
            )
            self._request = forwarded["request_id"] or ""
            found = self._person("senna").get(f"{TENANT}/requests/{self._request}")
            _equal("the request's state", found["state"], "customer_notified")
            names = ", ".join(person["name"] for person in found["approvers"])
            step.tell(f"{self._request} is in the state Customer Notified, to be answered by {names}")
            step.tell(f"until {_when(found['answer_by'])}; no access before that answer.")

    def _customer_is_told(self) -> None:
        with self._step("W7", "The designated approvers get a mail") as step:
            senna = self._stage.accounts["senna"].person.mail
            mail = _wait_for(lambda: self._mail_to(senna), "no mail came")
            step.tell(f"to {senna}: {mail.subject}")
            link = re.search(re.escape(self._stage.settings.base_url) + r"\S+", mail.text)
            if link is None:
                raise StepFailed("the mail has no link to the request")
            step.tell(f"link: {link[0]}")
            self._request_page = self._person("senna").page(link[0])

    def _mail_to(self, address: str) -> Received | None:
        return next((m for m in self._stage.mails() if address in m.recipients and self._request in m.text), None)

    def _approver_reads(self) -> None:
        senna = self._person("senna")
        with self._step("W8", "Senna Quillmere sees the pending requests of her organization") as step:
            senna.page(f"/t/{AMBERTIDE}").must_show(self._request)
            step.tell(f"the overview lists {self._request}")
        with self._step("W9", "She opens the request") as step:
            assert self._request_page is not None  # noqa: S101  the step before opened it
            self._request_page.must_show("Idris Marrowby", "vm-kiln-07", "8 hours", self._service_request)
            step.tell("who asks, for what, with which permission, for how long, and why")
        with self._step("W10", "She opens the service request behind it") as step:
            senna.page(f"/t/{AMBERTIDE}/service-requests/{self._service_request}").must_show(TITLE, "Bram Tollivane")
            step.tell("the problem's history, and why support is engaged")

    def _approver_approves(self) -> None:
        with self._step("W11", "She approves, after a page that shows what she confirms") as step:
            senna = self._person("senna")
            assert self._request_page is not None  # noqa: S101  the steps before opened it
            confirm = senna.submit(
                self._request_page,
                f"/requests/{self._request}/decide",
                decision="approve",
                reason="Please find the cause.",
            )
            if not any(f.fields and dict(f.fields).get("decision") == "approve" for f in confirm.forms):
                raise StepFailed("there is no page to confirm the decision on")
            senna.submit(confirm, next(f.action for f in confirm.forms if dict(f.fields).get("decision") == "approve"))
            found = senna.get(f"{TENANT}/requests/{self._request}")
            _equal("the request's state", found["state"], "approved")
            self._grant = found["grant"]["id"]
            step.tell(f"Idris has access until {_when(found['grant']['not_after'])}: eight hours, not more.")

    def _desktop(self) -> None:
        if self._stage.desktop is None:
            self._say("")
            self._say("        No desktop here, so nobody connects: what is missing was said at the beginning.")
            self._end_access(None)
            return
        with open_viewer(self._stage, self._person("idris")) as viewer:
            with self._step(
                "V2", f"Idris connects, with {viewer.name}; no password of the machine is his to know"
            ) as step:
                seen = viewer.connect(self._grant)
                path = self._save(seen.png)
                step.tell(f"first picture {seen.milliseconds} ms after Connect, saved as {path}")
            self._end_access(viewer)

    def _save(self, png: bytes) -> Path:
        if self._picture is not None:
            self._picture.write_bytes(png)
            return self._picture.resolve()
        descriptor, name = tempfile.mkstemp(prefix="lockbox-desktop-", suffix=".png")
        with os.fdopen(descriptor, "wb") as file:
            file.write(png)
        return Path(name)

    def _end_access(self, viewer: Viewer | None) -> None:
        with self._step("", "Senna ends the access in mid-session") as step:
            sent_at = time.time()
            self._person("senna").post(f"/grants/{self._grant}/end", reason="Seen enough, thank you.")
            if viewer is not None:
                cut = round((viewer.ended_at() - sent_at) * 1000)
                step.tell(f"the desktop was cut {cut} ms after her click")
            confirmed = _wait_for(lambda: self._entry("grant.revoked"), "the gateway did not confirm the revocation")
            step.tell(f"the gateway confirmed it {confirmed['detail']['milliseconds']} ms after the order")
        with self._step("", "Idris tries to connect again") as step:
            code = self._person("idris").refused(f"/grants/{self._grant}/connect", front="browser")
            _equal("the refusal", code, "grant_not_usable")
            step.tell(f"refused: {code}")

    def _entry(self, code: str) -> dict[str, Any] | None:
        page = self._person("senna").get(f"{TENANT}/activity", code=code)
        return next(iter(page["entries"]), None)

    def _log(self) -> None:
        with self._step("A1", "Everything is in Ambertide's activity log") as step:
            if self._stage.desktop is not None:
                _wait_for(
                    lambda: self._entry("session.terminated"), "the gateway did not report the end of the session"
                )
            entries = self._person("senna").get(f"{TENANT}/activity", correlation_id=self._service_request)["entries"]
            for entry in reversed(entries):
                name = ACTIONS.get(entry["code"], entry["code"])
                who = entry["actor_name"] or entry["actor"]
                step.tell(f"{entry['index']:>4}  {entry['recorded_at'][11:19]}  {name}  ({who})")
            codes = {entry["code"] for entry in entries}
            for code in ("request.created", "request.approved", "jit_request.submit.refused", "grant.connect.refused"):
                if code not in codes:
                    raise StepFailed(f"the activity log has no {code}")
            found = [name for code, name in ACTIONS.items() if self._entry(code) is not None]
            step.tell(f"filtered by action, there are: {', '.join(found)}")
            self._person("senna").page(f"/t/{AMBERTIDE}/activity").must_show(*found)


def _wait_for(look: Callable[[], T | None], otherwise: str) -> T:
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise StepFailed(f"{otherwise} in {WAIT_SECONDS:.0f} s")
        time.sleep(0.05)
    return found


def _when(instant: str) -> str:
    return f"{instant[:10]} {instant[11:16]} UTC"


def _equal(what: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise StepFailed(f"{what} is {found!r}, not {wanted!r}")
