"""Does the grant rest on the customer's own decision? The steps about roster, displayed request, statement and signature. Pure.

Nothing that only the provider signed is believed here: not the grant's own fields, and no database behind it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from openlockbox.domain.elevation import Permission
from openlockbox.grants.assertion import SignatureRefused, verify_signature
from openlockbox.grants.displayed import Displayed, open_displayed
from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.grant import GrantDocument
from openlockbox.grants.pin import TenantPin
from openlockbox.grants.roster import Roster, RosterRefused, check_change, check_first, open_signed
from openlockbox.grants.statement import DecisionStatement, digest, open_statement
from openlockbox.grants.verify import VerificationRefused, refuse_unless

UNSIGNED: Final = "unsigned"
STATEMENT_LIFE: Final = timedelta(minutes=5)  # between the approver's signature and the grant's beginning


def follow_roster(pin: TenantPin, signed_rosters: Sequence[str]) -> tuple[TenantPin, Roster | None]:
    """Do step 13: follow the tenant's roster from the pinned version to the newest that is shown.

    `signed_rosters` begins with the pinned version itself, or with the first where none is pinned yet.

    Raises:
        VerificationRefused: `roster_rolled_back`, `roster_malformed`, `roster_forked`, `roster_change_wrong`.
    """
    # 13.1  Where a roster is pinned, it is shown.
    refuse_unless(bool(signed_rosters) or not (pin.roster_root or pin.roster_version), "roster_rolled_back", "none")
    newest: Roster | None = None
    root = pin.roster_root
    last = ""
    for text in signed_rosters:
        # 13.2  Each can be read, and is this tenant's.
        try:
            roster, last, _ = open_signed(text)
        except RosterRefused as error:
            raise VerificationRefused("roster_malformed", str(error)) from error
        refuse_unless(roster.tenant_id == pin.tenant_id, "roster_malformed", "tenant")
        if newest is None:
            # 13.3  The first that is shown is the pinned version, to the letter; or, where only the root is pinned, that root.
            refuse_unless(
                roster.version == max(pin.roster_version, 1), "roster_rolled_back", f"version {roster.version}"
            )
            expected = pin.roster_digest or pin.roster_root
            refuse_unless(expected in {"", digest(last)}, "roster_forked")
            root = root or digest(last)
        # 13.4  The very first is signed by a key on itself, and each later one by keys of the one before, as its rules ask.
        try:
            if newest is not None:
                check_change(newest, text)
            elif roster.version == 1:
                check_first(text)
        except RosterRefused as error:
            raise VerificationRefused("roster_change_wrong", str(error)) from error
        newest = roster
    if newest is None:
        return pin, None
    return replace(pin, roster_root=root, roster_version=newest.version, roster_digest=digest(last)), newest


def check_displayed(grant: GrantDocument) -> Displayed:
    """Do steps 14 and 15: the displayed request is the one with the digest, and the grant is what it shows.

    Raises:
        VerificationRefused: `displayed_wrong`, `grant_not_as_displayed`.
    """
    # 14  The displayed request has the digest that stands in the grant, and can be read.
    refuse_unless(digest(grant.displayed) == grant.request_digest, "displayed_wrong", "digest")
    try:
        displayed = open_displayed(grant.displayed)
    except EnvelopeRefused as error:
        raise VerificationRefused("displayed_wrong", str(error)) from error
    # 15  Tenant, request, engineer, resource, scenario and target of the grant are those that were displayed.
    code = "grant_not_as_displayed"
    refuse_unless(displayed.id == grant.request_id, code, "request")
    refuse_unless(displayed.tenant_id == grant.tenant_id, code, "tenant")
    refuse_unless(displayed.requester_id == grant.engineer_id, code, "engineer")
    refuse_unless(displayed.resource_id == grant.resource_id, code, "resource")
    refuse_unless(displayed.scenario == grant.scenario, code, "scenario")
    refuse_unless(displayed.target.gateway == grant.gateway_id, code, "gateway")
    refuse_unless(displayed.target.address == grant.target.address, code, "address")
    refuse_unless(displayed.target.port == grant.target.port, code, "port")
    refuse_unless(displayed.target.security == grant.target.security, code, "security")
    refuse_unless(displayed.target.certificate_sha256 == grant.target.certificate_sha256, code, "certificate")
    return displayed


def check_statement(grant: GrantDocument, displayed: Displayed) -> DecisionStatement:
    """Do steps 16 to 18: an approval of this very request, no wider than what was asked; and the grant no wider than the approval.

    Raises:
        VerificationRefused: `grant_without_decision`, `wider_than_displayed`, `wider_than_statement`.
    """
    # 16  The statement can be read, approves, is about this request as displayed, in time, and not by the engineer.
    code = "grant_without_decision"
    try:
        statement = open_statement(grant.decision.statement)
    except EnvelopeRefused as error:
        raise VerificationRefused(code, str(error)) from error
    granted = statement.granted_duration
    refuse_unless(statement.decision == "approve" and granted is not None, code, "not an approval")
    assert granted is not None  # noqa: S101  said before; for the type checker
    refuse_unless(statement.tenant_id == grant.tenant_id, code, "tenant")
    refuse_unless(statement.request_id == grant.request_id, code, "request")
    refuse_unless(statement.request_digest == grant.request_digest, code, "digest")
    refuse_unless(statement.roster_version == displayed.roster_version, code, "roster version")
    refuse_unless(statement.by in displayed.approvers, code, "decided by somebody else")
    refuse_unless(statement.by != grant.engineer_id, code, "decided by the engineer")
    refuse_unless(displayed.created_at <= statement.at < displayed.answer_by, code, "out of time")
    # 17  It grants no more than was displayed: duration, permission level, channels.
    code = "wider_than_displayed"
    refuse_unless(granted <= displayed.duration, code, "duration")
    refuse_unless(_rank(statement.permission) <= _rank(displayed.permission), code, "permission")
    refuse_unless(set(statement.channels) <= set(displayed.channels), code, "channels")
    # 18  The grant gives what the statement grants: its permission with that level's account, its channels, its time.
    code = "wider_than_statement"
    refuse_unless(grant.permission == statement.permission, code, "permission")
    refuse_unless(grant.channels == tuple(statement.channels), code, "channels")
    refuse_unless(displayed.target.secret_refs.get(grant.permission) == grant.target.secret_ref, code, "account")
    refuse_unless(statement.at <= grant.not_before <= statement.at + STATEMENT_LIFE, code, "begins at another time")
    refuse_unless(grant.not_after - grant.not_before <= granted, code, "longer than granted")
    return statement


def _rank(permission: str) -> int:
    """Order the permission levels. One that nobody knows is above all."""
    return Permission(permission).rank if permission in set(Permission) else len(Permission)


def check_signature(grant: GrantDocument, statement: DecisionStatement, roster: Roster | None) -> None:
    """Do step 19: a key of the tenant's roster signed the statement; unsigned only where there is no roster or it says so.

    Raises:
        VerificationRefused: `roster_rolled_back`, `signature_required`, `key_not_on_roster`, `key_added_later`,
            `key_of_other_person`, `signature_wrong`.
    """
    decision = grant.decision
    # 19.1  The roster is none older than the one that the request displayed.
    known = 0 if roster is None else roster.version
    refuse_unless(statement.roster_version <= known, "roster_rolled_back", f"version {known}")
    if decision.method == UNSIGNED:
        # 19.2  Unsigned: no roster is known, or the roster says that unsigned decisions count; and nothing poses as a signature.
        refuse_unless(roster is None or roster.unsigned_decisions, "signature_required")
        refuse_unless(decision.key_id == "" and decision.signature == "", "signature_wrong", "unsigned")
        return
    # 19.3  The key is on the newest roster: a removal counts at once.
    key = None if roster is None else roster.find(decision.key_id)
    if roster is None or key is None:
        raise VerificationRefused("key_not_on_roster")
    # 19.4  It stood there when the request was made: an addition does not count for requests that wait.
    refuse_unless(key.added_in <= statement.roster_version, "key_added_later")
    # 19.5  It is the key of the person who decided, and of the kind that the method says.
    refuse_unless(key.principal_id == statement.by, "key_of_other_person")
    refuse_unless(key.kind == decision.method, "signature_wrong", "method")
    # 19.6  It signed the statement.
    try:
        verify_signature(key, decision.signature, decision.statement, rp_id=roster.rp_id, origins=roster.origins)
    except SignatureRefused as error:
        raise VerificationRefused("signature_wrong", error.code) from error
