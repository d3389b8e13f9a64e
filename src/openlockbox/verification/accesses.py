"""The rules on grants and sessions, over leaves in log order: none without an approval, none outside its grant. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from openlockbox.domain.ids import GatewayId, gateway_actor
from openlockbox.domain.session import EndReason
from openlockbox.grants.approval import check_displayed, check_statement
from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.grant import peek_grant, signed_decision
from openlockbox.grants.keys import key_id_of, parse_public_key
from openlockbox.grants.session_start import open_session_start
from openlockbox.grants.statement import digest
from openlockbox.grants.verify import VerificationRefused
from openlockbox.verification.decisions import Decisions, Request, instant
from openlockbox.verification.findings import Findings
from openlockbox.verification.leaves import Leaf

CUT_TIME: Final = timedelta(
    seconds=10
)  # a gateway closes a session within 8 s of losing its lease, and a little to do it
CLOCKS: Final = timedelta(seconds=60)  # between the clocks of a gateway and the control plane
REPORT_TIME: Final = timedelta(seconds=60)  # until the end of a session has come from the gateway's disk into the log


@dataclass(slots=True, kw_only=True)
class Grant:
    """A grant as the log tells it."""

    request: str
    engineer: str
    gateway: str
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None = None

    @property
    def over_at(self) -> datetime:
        """Return when no session may run any more."""
        return self.not_after if self.revoked_at is None else min(self.not_after, self.revoked_at)


@dataclass(slots=True, kw_only=True)
class Session:
    """A session as the log tells it."""

    index: int
    grant: str
    has_ended: bool = False
    is_lost: bool = False  # the control plane says it is over; the gateway has not said so


class Accesses:
    """Follows every grant and session."""

    def __init__(self, tenant_id: str, decisions: Decisions, findings: Findings) -> None:
        self._tenant_id, self._decisions, self._findings = tenant_id, decisions, findings
        self.grants: dict[str, Grant] = {}
        self.sessions: dict[str, Session] = {}
        self._gateway_keys: dict[str, str] = {}
        self._unproven = 0  # grants of which a document, theirs or the decision's, is not here

    def passed(self) -> list[str]:
        """Say what was checked, and how much could not be. Holds where nothing is wrong."""
        erased = self._decisions.erased["session.started"]
        return [
            f"{len(self.grants) - self._unproven} grants, each approved in time and no wider than approved"
            + unchecked(self._unproven),
            f"{len(self.sessions) - erased} sessions, each signed by its gateway and inside its grant"
            + unchecked(erased),
        ]

    def _wrong(self, code: str, leaf: Leaf, sentence: str) -> None:
        self._findings.add(code, leaf.index, sentence)

    # ---- grants ----

    def issued(self, leaf: Leaf) -> None:
        """Take a grant: one for an approved request, and no wider than the approval."""
        grant_id = leaf.subject.removeprefix("grant:")
        request = self._decisions.requests.get(leaf.detail.get("request", ""))
        if request is None or request.closed != "request.approved":
            self._wrong("grant_without_approval", leaf, f"The grant {grant_id} has no approval before it.")
        elif request.is_granted:
            self._wrong("grant_twice", leaf, "There is a grant for this approval already.")
        elif grant_id in self.grants:
            self._wrong("grant_twice", leaf, f"The grant {grant_id} was issued before.")
        try:
            not_before, not_after = instant(leaf.at), instant(leaf.detail["not_after"])
            engineer, gateway = leaf.detail["engineer"], leaf.detail["gateway"]
        except (KeyError, ValueError) as error:
            self._wrong("grant_malformed", leaf, f"The grant {grant_id} cannot be read ({error}).")
            return
        self.grants[grant_id] = grant = Grant(
            request=leaf.detail.get("request", ""),
            engineer=engineer,
            gateway=gateway,
            not_before=not_before,
            not_after=not_after,
        )
        text = self._decisions.read(leaf)
        self._unproven += text is None or request is None or not request.decision
        if request is not None:
            request.is_granted = True
            self._compare(leaf, grant, request, text)

    def _compare(self, leaf: Leaf, grant: Grant, request: Request, text: str | None) -> None:
        if grant.engineer != request.requester:
            self._wrong("grant_differs", leaf, f"The grant is for {grant.engineer}, asked had {request.requester}.")
        if request.granted_until is not None and grant.not_after > request.granted_until:
            sentence = f"The grant lasts until {grant.not_after}, approved was until {request.granted_until}."
            self._wrong("grant_wider", leaf, sentence)
        if text is None:
            return
        try:
            signed = peek_grant(text)
            check_statement(signed, check_displayed(signed))
        except EnvelopeRefused as error:
            self._wrong("grant_malformed", leaf, f"The grant cannot be read ({error}).")
            return
        except VerificationRefused as error:
            code = "grant_wider" if error.code.startswith("wider") else "grant_differs"
            self._wrong(code, leaf, f"The grant does not follow from what was approved ({error}).")
            return
        same = {
            "grant": signed.grant_id == leaf.subject.removeprefix("grant:"),
            "organization": signed.tenant_id == self._tenant_id,
            "request": signed.request_id == grant.request and signed.request_digest == request.digest,
            "engineer": signed.engineer_id == grant.engineer,
            "gateway": signed.gateway_id == grant.gateway,
            "resource": signed.resource_id == leaf.resource,
            "end": signed.not_after == grant.not_after,
            "decision": request.decision in {"", digest(signed_decision(signed.decision))},
        }
        if differing := [name for name, is_same in same.items() if not is_same]:
            self._wrong("grant_differs", leaf, f"The grant differs from entry or decision in: {', '.join(differing)}.")
        grant.not_before = signed.not_before

    def revoking(self, leaf: Leaf) -> None:
        """Take the end of an access before its time."""
        grant = self.grants.get(leaf.subject.removeprefix("grant:"))
        if grant is None:
            self._wrong("grant_unknown", leaf, f"{leaf.subject} was ended and never issued.")
        elif grant.revoked_at is None:
            grant.revoked_at = instant(leaf.at)

    # ---- sessions ----

    def started(self, leaf: Leaf) -> None:
        """Take a session: it has a grant, lies inside it, and its gateway signed for it."""
        session_id = leaf.subject.removeprefix("session:")
        if session_id in self.sessions:
            self._wrong("session_twice", leaf, f"The session {session_id} was started before.")
            return
        grant = self.grants.get(leaf.detail.get("grant", ""))
        self.sessions[session_id] = Session(index=leaf.index, grant=leaf.detail.get("grant", ""))
        if grant is None:
            self._wrong("session_without_grant", leaf, f"The session {session_id} has no grant before it.")
            return
        at = instant(leaf.at)
        if not grant.not_before <= at < grant.not_after:
            self._wrong("session_outside_grant", leaf, "The session started outside the times of its grant.")
        elif grant.revoked_at is not None:
            self._wrong("session_after_revocation", leaf, "The session started after its grant had been revoked.")
        if leaf.detail.get("engineer") != grant.engineer or leaf.actor != gateway_actor(GatewayId(grant.gateway)):
            self._wrong("session_differs", leaf, "Engineer or gateway of the session are not those of its grant.")
        self._check_gateway(leaf, session_id, grant)

    def _check_gateway(self, leaf: Leaf, session_id: str, grant: Grant) -> None:
        written = leaf.detail.get("gateway_key", "")
        if not written or not leaf.document:
            self._wrong("session_not_signed", leaf, "The gateway has not signed for this session.")
            return
        if self._gateway_keys.setdefault(grant.gateway, written) != written:
            self._gateway_keys[grant.gateway] = written
            sentence = f"{grant.gateway} signs with another key from here on."
            self._findings.note("gateway_key_changed", leaf.index, sentence)
        text = self._decisions.read(leaf)
        if text is None:
            return
        try:
            key = parse_public_key(written)
            said = open_session_start(text, {key_id_of(key): key})
        except EnvelopeRefused as error:
            self._wrong("session_signature_wrong", leaf, f"The gateway's signature does not hold ({error}).")
            return
        same = (said.session_id, said.grant_id, said.tenant_id, said.gateway_id, said.engineer_id)
        if same != (session_id, leaf.detail.get("grant"), self._tenant_id, grant.gateway, grant.engineer):
            self._wrong("session_differs", leaf, "What the gateway signed is another session.")
        if abs(said.at - instant(leaf.at)) > CLOCKS:  # a start is logged before a byte flows; only ends are told late
            self._wrong("session_time_differs", leaf, f"The gateway signed for {said.at}, the entry is of {leaf.at}.")
        if not grant.not_before - CLOCKS <= said.at < grant.not_after:
            self._wrong("session_outside_grant", leaf, "The gateway signed for a time outside of the grant.")

    def terminated(self, leaf: Leaf) -> None:
        """Take the end of a session: not later than its grant's, but for the time it takes to cut."""
        session = self.sessions.get(leaf.subject.removeprefix("session:"))
        if session is None:
            if leaf.detail.get("recording_bytes", "0") != "0":
                self._wrong("session_without_start", leaf, f"{leaf.subject} was recorded and never started.")
            return  # a prepared connection that the gateway gave up: nothing flowed
        is_report = leaf.action == "session.reported"
        if session.has_ended or (session.is_lost and not is_report):
            self._wrong("session_ended_twice", leaf, f"{leaf.subject} had ended before.")
            return
        if leaf.detail.get("reason") == EndReason.GATEWAY_LOST and not is_report:
            session.is_lost = True
            return
        session.has_ended = True
        grant = self.grants.get(session.grant)
        if grant is None:
            return
        try:
            ended_at = instant(leaf.detail["ended_at"])
        except (KeyError, ValueError):
            self._wrong("session_malformed", leaf, "The end of the session has no time.")
            return
        if ended_at > grant.over_at + CUT_TIME:
            self._wrong("session_too_long", leaf, f"The session ran until {ended_at}, its grant until {grant.over_at}.")

    def finish(self, as_of: datetime) -> None:
        """Look for sessions without an end, as of the time at which the log was read."""
        for session_id, session in self.sessions.items():
            grant = self.grants.get(session.grant)
            if session.is_lost and not session.has_ended:
                sentence = f"The gateway has never told when the session {session_id} ended."
                self._findings.note("session_end_unreported", session.index, sentence)
                continue
            if grant is None or session.has_ended or as_of <= grant.over_at + CUT_TIME + REPORT_TIME:
                continue
            sentence = f"The session {session_id} has no end, though its grant ended at {grant.over_at}."
            self._findings.add("session_without_end", session.index, sentence)


def unchecked(count: int) -> str:
    """Say how many could not be checked."""
    return f"; {count} not checked, their documents are missing" if count else ""
