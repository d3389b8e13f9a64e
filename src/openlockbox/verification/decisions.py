"""The rules on rosters, requests and decisions, over leaves in log order. Believes only the pin and what signatures cover. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from openlockbox.domain.elevation import Permission
from openlockbox.grants.assertion import SignatureRefused, SigningKey, verify_signature
from openlockbox.grants.displayed import Displayed, open_displayed
from openlockbox.grants.encoding import EnvelopeRefused, Fields, parse_canonical
from openlockbox.grants.grant import MAX_SIGNATURE
from openlockbox.grants.roster import Roster, RosterRefused, check_change, check_first
from openlockbox.grants.statement import MAX_STATEMENT, DecisionStatement, digest, open_statement
from openlockbox.verification.findings import Findings
from openlockbox.verification.leaves import Leaf

UNSIGNED: Final = "unsigned"
NEEDED: Final = frozenset({"roster.changed", "request.created", "request.approved", "grant.issued", "session.started"})
METHODS: Final = (UNSIGNED, "passkey", "ed25519")
STATEMENT_TIME: Final = timedelta(minutes=5)  # docs/spec/decision-format.md: an older statement is refused
CLOCK_TOLERANCE: Final = timedelta(seconds=5)  # between the clocks of two web processes
_SIGNED_DECISION: Final = ("type", "format", "statement", "method", "key_id", "signature")

Documents = Callable[[str], str | None]  # by SHA-256; None where it is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDecision:
    """The document of `request.approved` and `request.denied`."""

    statement: str
    method: str
    key_id: str
    signature: str


def open_signed_decision(text: str) -> SignedDecision:
    """Read it strictly.

    Raises:
        EnvelopeRefused: another form.
    """
    try:
        fields = Fields(parse_canonical(text.encode()), _SIGNED_DECISION)
    except UnicodeEncodeError as error:
        raise EnvelopeRefused("payload_not_canonical") from error
    fields.choice("type", ("openlockbox.signed_decision",))
    fields.format(1)
    return SignedDecision(
        statement=fields.long_text("statement", limit=MAX_STATEMENT),
        method=fields.choice("method", METHODS),
        key_id=fields.long_text("key_id", limit=64),
        signature=fields.long_text("signature", limit=MAX_SIGNATURE),
    )


@dataclass(slots=True, kw_only=True)
class Request:
    """A Lockbox request as the log tells it. What was displayed is dropped with the answer."""

    at: str
    requester: str
    approvers: frozenset[str]
    answer_by: datetime
    digest: str
    displayed: Displayed | None
    roster_version: int
    closed: str = ""  # the action that ended it
    decision: str = ""  # digest of the signed decision that approved it
    granted_until: datetime | None = None
    is_granted: bool = False


class Decisions:
    """Follows the roster and every request up to its decision. `requests` is for the rules on grants."""

    def __init__(
        self, tenant_id: str, root: str, documents: Documents, findings: Findings, *, allow_erased: bool
    ) -> None:
        self._allow_erased = allow_erased
        self.erased: Counter[str] = Counter()  # documents that are not here, by action
        self._tenant_id, self._root, self._documents, self._findings = tenant_id, root, documents, findings
        self.roster: Roster | None = None
        self.rosters = self.signed = self.unsigned = 0
        self.requests: dict[str, Request] = {}

    def read(self, leaf: Leaf) -> str | None:
        """Return an entry's document; None where it is not here, or is not what the leaf says.

        Whether a document was erased or is withheld cannot be told apart, so one that a rule needs may only be missing where the
        caller allows it.
        """
        if not leaf.document:
            self._wrong("document_missing", leaf, f"{leaf.action} carries no document.")
            return None
        text = self._documents(leaf.document)
        if text is None:
            self.erased[leaf.action] += 1
            if leaf.action in NEEDED and not self._allow_erased:
                sentence = f"The document of {leaf.action} is erased or withheld, so nothing vouches for the entry."
                self._wrong("document_missing", leaf, sentence)
            else:
                sentence = f"The document of {leaf.action} is erased or withheld; the entry was not checked."
                self._findings.note("document_erased", leaf.index, sentence)
        elif digest(text) != leaf.document:
            self._wrong("document_differs", leaf, f"The document of {leaf.action} is not the one that was logged.")
            return None
        return text

    def _wrong(self, code: str, leaf: Leaf, sentence: str) -> None:
        self._findings.add(code, leaf.index, sentence)

    # ---- roster ----

    def roster_changed(self, leaf: Leaf) -> None:
        """Take the next version of the roster: the first is the pinned one, each later one is signed by keys of the one before."""
        text = self.read(leaf)
        if text is None:
            self._wrong("roster_missing", leaf, "Without this roster no later decision can be checked.")
            return
        try:
            self.roster = self._next_roster(leaf, text)
        except RosterRefused as error:
            self._wrong("roster_refused", leaf, f"This change of the approver roster does not hold ({error}).")
            return
        self.rosters += 1

    def _next_roster(self, leaf: Leaf, text: str) -> Roster:
        if self.roster is not None:
            return check_change(self.roster, text)
        first = check_first(text)
        if first.tenant_id != self._tenant_id:
            raise RosterRefused("roster_tenant")
        self._check_root(first.digest, leaf)
        return first

    def _check_root(self, root: str, leaf: Leaf) -> None:
        if not self._root:
            sentence = f"No roster is pinned; the log's begins with {root}. Compare it out of band and pin it."
            self._findings.note("roster_unpinned", leaf.index, sentence)
        elif root != self._root:
            raise RosterRefused("roster_not_pinned", f"its root is {root}, pinned is {self._root}")

    # ---- requests ----

    def created(self, leaf: Leaf) -> None:
        """Take a request: what was displayed is what the entry says, and no more is claimed of the roster than there was."""
        request_id = leaf.subject.removeprefix("request:")
        if request_id in self.requests:
            self._wrong("request_twice", leaf, f"The request {request_id} was created before.")
            return
        text = self.read(leaf)
        detail = leaf.detail
        try:
            request = Request(
                at=leaf.at,
                requester=detail["requester"],
                approvers=frozenset(detail["approvers"].split(",")),
                answer_by=instant(detail["answer_by"]),
                digest=detail["digest"],
                displayed=None if text is None else open_displayed(text),
                roster_version=0,
            )
        except (KeyError, ValueError, EnvelopeRefused) as error:
            self._wrong("request_malformed", leaf, f"The request {request_id} cannot be read ({error}).")
            return
        self.requests[request_id] = request
        if request.digest != leaf.document:
            self._wrong("digest_differs", leaf, "The digest is not that of the request as displayed.")
        if request.displayed is not None:
            request.roster_version = request.displayed.roster_version
            self._compare_displayed(leaf, request_id, request, request.displayed)

    def _compare_displayed(self, leaf: Leaf, request_id: str, request: Request, shown: Displayed) -> None:
        same = {
            "id": shown.id == request_id,
            "organization": shown.tenant_id == self._tenant_id,
            "requester": shown.requester_id == request.requester,
            "approvers": frozenset(shown.approvers) == request.approvers,
            "answer by": shown.answer_by == request.answer_by,
            "resource": shown.resource_id == leaf.resource,
            "permission": shown.permission == leaf.detail.get("permission"),
        }
        if differing := [name for name, is_same in same.items() if not is_same]:
            self._wrong(
                "displayed_differs", leaf, f"What was displayed differs from the entry in: {', '.join(differing)}."
            )
        if shown.roster_version > self.rosters:
            sentence = f"The request names roster version {shown.roster_version}; the log had {self.rosters} then."
            self._wrong("roster_version_ahead", leaf, sentence)

    def closed(self, leaf: Leaf) -> None:
        """Take an expiry or a cancellation: afterwards nobody decides."""
        request = self.requests.get(leaf.subject.removeprefix("request:"))
        if request is None:
            self._wrong("request_unknown", leaf, f"{leaf.action} of a request that was never created.")
        elif request.closed:
            self._wrong("decided_twice", leaf, f"The request was closed before by {request.closed}.")
        else:
            request.closed = leaf.action
            request.displayed = None

    # ---- decisions ----

    def decided(self, leaf: Leaf) -> None:
        """Check one answer: its request, its time, its author, then the author's signature."""
        request = self.requests.get(leaf.subject.removeprefix("request:"))
        if request is None:
            self._wrong("decision_without_request", leaf, f"{leaf.action} of a request that was never created.")
            return
        if request.closed:
            self._wrong("decided_twice", leaf, f"The request was closed before by {request.closed}.")
            return
        request.closed = leaf.action
        by = leaf.actor.removeprefix("principal:")
        if instant(leaf.at) >= request.answer_by:
            self._wrong("decided_late", leaf, "The answer came after the time to answer was over.")
        if by == request.requester:
            self._wrong("self_approval", leaf, "The requester answered their own request.")
        elif by not in request.approvers:
            self._wrong("not_an_approver", leaf, f"{by} was not among the approvers of this request.")
        if leaf.detail.get("digest") != request.digest:
            self._wrong("digest_differs", leaf, "The answer is to another request as displayed.")
        text = self.read(leaf)
        if text is None:
            return
        try:
            decision = open_signed_decision(text)
            statement = open_statement(decision.statement)
        except EnvelopeRefused as error:
            self._wrong("decision_malformed", leaf, f"The decision cannot be read ({error}).")
            return
        if leaf.action == "request.approved" and statement.granted_duration is not None:
            request.decision = leaf.document
            request.granted_until = instant(leaf.at) + statement.granted_duration
        self._check_statement(leaf, request, statement, by)
        self._check_signature(leaf, decision, statement)
        request.displayed = None

    def _check_statement(self, leaf: Leaf, request: Request, said: DecisionStatement, by: str) -> None:
        same = {
            "organization": said.tenant_id == self._tenant_id,
            "request": f"request:{said.request_id}" == leaf.subject,
            "digest": said.request_digest == request.digest,
            "answer": {"approve": "request.approved", "deny": "request.denied"}[said.decision] == leaf.action,
            "approver": said.by == by,
        }
        if request.displayed is not None:
            same["roster version"] = said.roster_version == request.roster_version
        if differing := [name for name, is_same in same.items() if not is_same]:
            self._wrong(
                "statement_differs", leaf, f"What was signed differs from the entry in: {', '.join(differing)}."
            )
        if not -CLOCK_TOLERANCE <= instant(leaf.at) - said.at <= STATEMENT_TIME:
            self._wrong("statement_too_old", leaf, "The statement was not made when the answer was given.")
        shown = request.displayed
        if shown is not None and said.decision == "approve":
            granted = said.granted_duration or timedelta.max
            wider = granted > shown.duration or rank(said.permission) > rank(shown.permission)
            if wider or not set(said.channels) <= set(shown.channels):
                self._wrong("decision_widens", leaf, "More was approved than was asked for.")

    def _check_signature(self, leaf: Leaf, decision: SignedDecision, statement: DecisionStatement) -> None:
        roster = self.roster
        if decision.method == UNSIGNED:
            self.unsigned += 1
            if roster is not None and not roster.unsigned_decisions:
                self._wrong("signature_required", leaf, "The roster asks for a signature, and there is none.")
            else:
                self._findings.note(
                    "not_signed", leaf.index, "This decision is not signed; only the provider vouches for it."
                )
            return
        key = None if roster is None else find_key(roster.keys, decision.key_id)
        if roster is None or key is None or key.kind != decision.method:
            sentence = f"The key {decision.key_id} was not on the roster when it signed."
            self._wrong("key_not_on_roster", leaf, sentence)
            return
        if key.principal_id != statement.by:
            self._wrong("key_of_other_person", leaf, f"The key {key.key_id} is not {statement.by}'s.")
        if key.added_in > statement.roster_version:
            self._wrong("key_added_later", leaf, f"The key {key.key_id} was added after this request was made.")
        try:
            verify_signature(key, decision.signature, decision.statement, rp_id=roster.rp_id, origins=roster.origins)
        except SignatureRefused as error:
            self._wrong("signature_wrong", leaf, f"The signature under the decision does not hold ({error}).")
        else:
            self.signed += 1


def find_key(keys: Sequence[SigningKey], key_id: str) -> SigningKey | None:
    """Return the key of this name."""
    return next((key for key in keys if key.key_id == key_id), None)


def instant(text: str) -> datetime:
    """Read a time with its zone.

    Raises:
        ValueError: another text.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at


def rank(permission: str) -> int:
    """Order permission levels; an unknown one is above all."""
    levels = [level.value for level in Permission]
    return levels.index(permission) if permission in levels else len(levels)
