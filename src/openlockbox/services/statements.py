"""The statement of a decision: what an approver is given to sign, and whether what came back is signed by a key that counts."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from openlockbox.domain import lockbox_request as core
from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import (
    DecisionWidens,
    KeyAddedLater,
    KeyNotOnRoster,
    NotFound,
    SignatureRequired,
    SignatureWrong,
    StatementDiffers,
    StatementTooOld,
)
from openlockbox.domain.ids import RequestId
from openlockbox.domain.lockbox_request import Decision, LockboxRequest
from openlockbox.grants.assertion import SignatureRefused, SigningKey, verify_signature
from openlockbox.grants.displayed import open_displayed
from openlockbox.grants.encoding import EnvelopeRefused, b64url
from openlockbox.grants.roster import Roster
from openlockbox.grants.statement import (
    NONCE_BYTES,
    DecisionStatement,
    decision_statement,
    open_statement,
)
from openlockbox.grants.statement import Decision as Answer
from openlockbox.services.authority import is_member
from openlockbox.services.lockbox_requests import is_strict, latest_roster
from openlockbox.services.passkeys import signing_keys
from openlockbox.services.service_requests import REASON_LENGTH, clean
from openlockbox.services.work import Work, query

STATEMENT_TIME: Final = timedelta(minutes=5)  # docs/spec/decision-format.md: reading it once more and touching a key


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What an approver chose. None is as asked; of a denial only the reason counts."""

    answer: Answer
    granted_duration: timedelta | None = None
    permission: Permission | None = None
    channels: frozenset[str] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A statement with a signature. Without a key id every key of the approver's is tried."""

    statement: str
    signature: str
    key_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSign:
    """A statement for one approver, and with which of their keys it would count; `hindrance` is the refusal's code where none would."""

    statement: str
    request_digest: str
    is_required: bool
    keys: tuple[SigningKey, ...]
    hindrance: str
    rp_id: str


@query("request.statement", scope="requests.decide")
def prepare(work: Work, *, request_id: RequestId, digest: str, choice: Choice) -> ToSign:
    """Write the statement that the caller would sign now. It counts for five minutes. Changes nothing; refuses as the decision would.

    Raises:
        NotFound, SelfApproval, NotAnApprover, RequestExpired, AlreadyDecided, RequestChanged, DecisionWidens: see `decisions`.
        InvalidInput: the reason.
    """
    request = work.uow.lockbox_requests.get(request_id)
    work.concerns(
        request.tenant_id,
        f"request:{request.id}",
        correlation_id=request.service_request_id,
        resource_id=request.elevation.resource_id,
    )
    if not is_member(work, request.tenant_id):
        raise NotFound
    statement = write_statement(work, request, choice)
    decide(work, request, open_statement(statement), digest=digest, decision=unsigned(statement))
    roster = latest_roster(work, request.tenant_id)
    mine = [] if roster is None else own_keys(work, roster)
    version = open_displayed(request.displayed).roster_version
    counting = tuple(key for key in mine if key.added_in <= version)
    hindrance = ""
    if not counting and is_strict(roster):
        hindrance = (KeyAddedLater if mine else KeyNotOnRoster).code
    return ToSign(
        statement=statement,
        request_digest=request.digest,
        is_required=is_strict(roster),
        keys=counting,
        hindrance=hindrance,
        rp_id=work.lockbox.passkeys.rp_id if roster is None else roster.rp_id,
    )


def write_statement(work: Work, request: LockboxRequest, choice: Choice) -> str:
    """Write a statement of the caller's, for now.

    Raises:
        DecisionWidens: no time, or more than the format knows.
        InvalidInput: the reason.
    """
    asked = request.elevation
    approves = choice.answer == "approve"
    duration = asked.duration if choice.granted_duration is None else choice.granted_duration
    try:
        return decision_statement(
            tenant_id=request.tenant_id,
            request_id=request.id,
            request_digest=request.digest,
            decision=choice.answer,
            granted_duration=duration if approves else None,
            permission=choice.permission or asked.permission if approves else asked.permission,
            channels=asked.channels if choice.channels is None or not approves else choice.channels,
            reason=clean("reason", choice.reason, at_most=REASON_LENGTH, required=False),
            by=work.principal.id,
            at=work.now,
            nonce=b64url(secrets.token_bytes(NONCE_BYTES)),
            roster_version=open_displayed(request.displayed).roster_version,
        )
    except ValueError as error:
        raise DecisionWidens from error


def read_statement(text: str) -> DecisionStatement:
    """Read what somebody sent.

    Raises:
        StatementDiffers: it is no statement.
    """
    try:
        return open_statement(text)
    except EnvelopeRefused as error:
        raise StatementDiffers from error


def answer_of(signed: Signed) -> Answer | None:
    """Return which answer a statement claims; None for what is none, which every decision then refuses and records."""
    try:
        return read_statement(signed.statement).decision
    except StatementDiffers:
        return None


def unsigned(statement: str) -> Signed:
    """Return a statement that only password and one-time code stand behind."""
    return Signed(statement=statement, signature="")


def decide(
    work: Work,
    request: LockboxRequest,
    said: DecisionStatement,
    *,
    digest: str,
    decision: Signed,
    key: SigningKey | None = None,
) -> LockboxRequest:
    """Apply a statement to a request by the domain's rules; whether its signature counts is `check_signed`'s and `check_unsigned`'s.

    Raises:
        SelfApproval, NotAnApprover, RequestExpired, AlreadyDecided, RequestChanged, DecisionWidens: see `openlockbox.domain`.
    """
    made = Decision(
        by=work.principal.id,
        at=work.now,
        reason=said.reason,
        granted_duration=said.granted_duration,
        statement=decision.statement,
        method="unsigned" if key is None else key.kind,
        key_id="" if key is None else key.key_id,
        signature=decision.signature,
    )
    roles = work.roles.on_subscription(request.subscription_id)
    person = work.principal.person_id
    if said.decision == "deny":
        return core.deny(request, decision=made, person=person, roles=roles, digest=digest)
    return core.approve(
        request,
        decision=made,
        permission=permission_of(said),
        channels=frozenset(said.channels),
        person=person,
        roles=roles,
        digest=digest,
    )


def permission_of(said: DecisionStatement) -> Permission:
    """Return the permission level. One that nobody knows is wider than anything asked. Raises DecisionWidens."""
    try:
        return Permission(said.permission)
    except ValueError:
        raise DecisionWidens from None


def own_keys(work: Work, roster: Roster) -> list[SigningKey]:
    """Return the caller's keys on the roster that the caller still holds."""
    held = {key.key_id for key in signing_keys(work.uow, work.principal.id)}
    return [key for key in roster.keys if key.principal_id == work.principal.id and key.key_id in held]


def check_unsigned(roster: Roster | None) -> None:
    """Let an unsigned decision pass where there is no roster, or it says so.

    Raises:
        SignatureRequired: it says otherwise.
    """
    if is_strict(roster):
        raise SignatureRequired


def check_signed(
    work: Work, request: LockboxRequest, said: DecisionStatement, signed: Signed, roster: Roster | None
) -> SigningKey:
    """Return the key that signed the statement, where it counts for this request.

    Raises:
        StatementDiffers: about something else, or in somebody else's name.
        StatementTooOld: older than five minutes, or from the future.
        KeyNotOnRoster, SignatureWrong, KeyAddedLater: see `openlockbox.domain.errors`.
    """
    displayed = open_displayed(request.displayed)
    about = (said.tenant_id, said.request_id, said.request_digest, said.by, said.roster_version)
    if about != (request.tenant_id, request.id, request.digest, work.principal.id, displayed.roster_version):
        raise StatementDiffers
    if said.reason != clean("reason", said.reason, at_most=REASON_LENGTH, required=False):
        raise StatementDiffers
    if not _is_fresh(said.at, work.now):
        raise StatementTooOld
    keys = [] if roster is None else own_keys(work, roster)
    candidates = [key for key in keys if signed.key_id in {"", key.key_id}]
    if roster is None or not candidates:
        raise KeyNotOnRoster
    key = next((key for key in candidates if _verifies(key, signed, roster)), None)
    if key is None:
        raise SignatureWrong
    if key.added_in > displayed.roster_version:
        raise KeyAddedLater
    return key


def _is_fresh(at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - at <= STATEMENT_TIME


def _verifies(key: SigningKey, signed: Signed, roster: Roster) -> bool:
    try:
        verify_signature(key, signed.signature, signed.statement, rp_id=roster.rp_id, origins=roster.origins)
    except SignatureRefused:
        return False
    return True
