"""The attacks of somebody who holds all of the provider's keys and its database, and the answers that a gateway must give."""

from dataclasses import replace
from datetime import timedelta

from openlockbox.grants.grant import TargetDocument, seal_grant
from tests.unit.grants.log_material import digest_of
from tests.unit.grants.material import (
    ADA,
    BEA,
    GRANTS,
    RECOVERY,
    ROSTER,
    STRANGER,
    STRICT,
    Case,
    displayed,
    evidence_for,
    grant,
    log_with,
    pin_of,
    requester_key,
    roster,
    roster_key,
    sign_statement,
    signed,
    signed_roster,
    statement,
    strict_case,
    strict_grant,
    unsigned,
)
from tests.unit.grants.passkey_material import PASSKEY_CASES

HOUR = timedelta(hours=1)
FIRST = signed_roster(ROSTER)
APPROVED = signed(statement(shown=STRICT))
LOG = log_with(APPROVED)

# Bea's key came second; the third version took Ada's away.
WITH_BEA = roster(
    roster_key(ADA, "principal-ada"), roster_key(BEA, "principal-bea", added_in=2), version=2, previous=ROSTER
)
WITHOUT_ADA = roster(roster_key(BEA, "principal-bea", added_in=2), version=3, previous=WITH_BEA)
SECOND, THIRD = signed_roster(WITH_BEA), signed_roster(WITHOUT_ADA, BEA)
SECOND_PIN = pin_of(ROSTER, LOG, roster_version=2, roster_digest=digest_of(WITH_BEA))
LENIENT = roster(unsigned_decisions=True)


def _signed_case(text: str, key=ADA, **changes: object) -> Case:
    return strict_case(grant(shown=STRICT, decision=signed(text, key), **changes))


def _shown(shown: str, **changes: object) -> Case:
    text = statement(shown=shown, roster_version=1)
    return strict_case(grant(shown=shown, decision=signed(text), **changes))


def _unsigned_strict(**changes: object) -> Case:
    return strict_case(grant(shown=STRICT, decision=unsigned(statement(shown=STRICT))), **changes)


def _keyless(text: str, shown: str, **changes: object) -> Case:
    return strict_case(grant(shown=shown, decision=signed(text)), presence=None, **changes)


KEYLESS = displayed(roster_version=1)

# name: (what it is, the case, the answer)
TRUST_CASES: dict[str, tuple[str, Case, str]] = {
    "good_signed": ("A rostered key signed, the log proves it, the engineer is here.", strict_case(), "ok"),
    "good_signed_by_newer_roster": (
        "The roster has grown since; the key is still on it.",
        strict_case(rosters=(FIRST, SECOND)),
        "ok",
    ),
    **PASSKEY_CASES,
    "good_first_contact": (
        "Nothing is pinned and first contact is allowed: roster and log are pinned to what is shown.",
        strict_case(pin=pin_of(None)),
        "ok",
    ),
    "good_pinned_by_fingerprint": (
        "Only the roster's fingerprint is pinned.",
        strict_case(pin=pin_of(ROSTER, roster_version=0, roster_digest="")),
        "ok",
    ),
    "good_pin_ahead": (
        "The gateway has seen more of the log than the grant's checkpoint.",
        strict_case(pin=pin_of(ROSTER, LOG, 7), evidence=evidence_for(strict_grant(), LOG, rosters=(FIRST,), size=7)),
        "ok",
    ),
    "good_unsigned_by_roster": (
        "The roster says that unsigned decisions count.",
        _unsigned_strict(
            rosters=(signed_roster(LENIENT),), pin=pin_of(LENIENT, log_with(unsigned(statement(shown=STRICT))))
        ),
        "ok",
    ),
    "good_recovered": (
        "A recovery key replaced the only approver's key.",
        strict_case(
            grant(
                shown=displayed(key=requester_key(), roster_version=2),
                decision=signed(
                    statement(
                        shown=displayed(key=requester_key(), roster_version=2), roster_version=2, by="principal-bea"
                    ),
                    BEA,
                ),
            ),
            rosters=(
                FIRST,
                signed_roster(
                    roster(roster_key(BEA, "principal-bea", added_in=2), version=2, previous=ROSTER), RECOVERY
                ),
            ),
        ),
        "ok",
    ),
    # ---- the pin and the roster ----
    "first_contact_not_allowed": ("A tenant of which nothing is pinned.", strict_case(pin=None), "tenant_not_pinned"),
    "pin_of_other_tenant": (
        "What is pinned belongs to another tenant.",
        strict_case(pin=replace(pin_of(ROSTER, LOG), tenant_id="fabrikam")),
        "tenant_not_pinned",
    ),
    "roster_hidden": (
        "No roster is shown for a tenant whose roster is pinned.",
        strict_case(rosters=()),
        "roster_rolled_back",
    ),
    "roster_hidden_and_decision_unsigned": (
        "As if the tenant never had a roster: none is shown, none was displayed, and nobody signed.",
        strict_case(grant(), rosters=(), presence=None),
        "roster_rolled_back",
    ),
    "roster_hidden_from_fingerprint": (
        "No roster is shown where the customer's fingerprint is pinned.",
        strict_case(rosters=(), pin=pin_of(ROSTER, roster_version=0, roster_digest="")),
        "roster_rolled_back",
    ),
    "roster_rolled_back": (
        "An older roster than the pinned one.",
        strict_case(pin=SECOND_PIN),
        "roster_rolled_back",
    ),
    "roster_older_than_displayed": (
        "The request displayed a newer roster than is shown.",
        strict_case(
            grant(
                shown=displayed(key=requester_key(), roster_version=2),
                decision=signed(statement(shown=displayed(key=requester_key(), roster_version=2), roster_version=2)),
            )
        ),
        "roster_rolled_back",
    ),
    "roster_forked": (
        "Another roster under the pinned version's number.",
        strict_case(rosters=(signed_roster(roster(roster_key(STRANGER, "principal-ada")), STRANGER),)),
        "roster_forked",
    ),
    "roster_root_of_provider": (
        "The provider's own first roster in place of the one whose fingerprint is pinned.",
        strict_case(
            rosters=(signed_roster(roster(roster_key(GRANTS, "principal-ada")), GRANTS),),
            pin=pin_of(ROSTER, roster_version=0, roster_digest=""),
        ),
        "roster_forked",
    ),
    "roster_not_json": ("Something else in place of a roster.", strict_case(rosters=("{}",)), "roster_malformed"),
    "roster_of_other_tenant": (
        "Another tenant's roster.",
        strict_case(rosters=(signed_roster(roster(tenant_id="fabrikam")),)),
        "roster_malformed",
    ),
    "roster_changed_by_provider": (
        "A second version that a provider's key signed.",
        strict_case(rosters=(FIRST, signed_roster(WITH_BEA, GRANTS))),
        "roster_change_wrong",
    ),
    "roster_first_by_nobody_on_it": (
        "A first roster that no key on it signed.",
        strict_case(rosters=(signed_roster(ROSTER, STRANGER),), pin=pin_of(None)),
        "roster_change_wrong",
    ),
    "roster_loosened_without_quorum": (
        "Unsigned decisions allowed again without a signature of the roster before.",
        strict_case(
            rosters=(FIRST, signed_roster(roster(version=2, previous=ROSTER, unsigned_decisions=True), STRANGER))
        ),
        "roster_change_wrong",
    ),
    # ---- what was displayed ----
    "other_request_displayed": (
        "The displayed text is not the one with the digest.",
        strict_case(strict_grant(displayed=displayed(key=requester_key(), roster_version=1, justification="Other."))),
        "displayed_wrong",
    ),
    "displayed_unreadable": (
        "A displayed text that is none.",
        _shown("{}"),
        "displayed_wrong",
    ),
    "other_target_same_digest": (
        "The approved request with another machine's address in the grant.",
        strict_case(
            strict_grant(
                target=TargetDocument(
                    address="10.0.0.66",
                    port=3389,
                    security="tls",
                    certificate_sha256="cd" * 32,
                    secret_ref="vm1.operate",
                )
            )
        ),
        "grant_not_as_displayed",
    ),
    "other_port_same_digest": (
        "Another port on the approved machine.",
        strict_case(strict_grant(target=replace(grant().target, port=3390))),
        "grant_not_as_displayed",
    ),
    "other_security_same_digest": (
        "Another way to protect the connection.",
        strict_case(strict_grant(target=replace(grant().target, security="nla"))),
        "grant_not_as_displayed",
    ),
    "other_certificate_same_digest": (
        "Another certificate: somebody sits between.",
        strict_case(strict_grant(target=replace(grant().target, certificate_sha256="ee" * 32))),
        "grant_not_as_displayed",
    ),
    "other_gateway_displayed": (
        "The request displayed another gateway.",
        _shown(displayed(key=requester_key(), roster_version=1, target={"gateway": "gw-2"})),
        "grant_not_as_displayed",
    ),
    "other_engineer_same_digest": (
        "Somebody else's name in the grant; the token fits them.",
        strict_case(
            grant(
                shown=displayed(key=requester_key(), roster_version=1, engineer_id="principal-eve"),
                decision=signed(
                    statement(
                        shown=displayed(key=requester_key(), roster_version=1, engineer_id="principal-eve"),
                        roster_version=1,
                    )
                ),
            )
        ),
        "grant_not_as_displayed",
    ),
    "other_tenant_displayed": (
        "The request displayed was another tenant's.",
        _shown(displayed(key=requester_key(), roster_version=1, tenant={"id": "fabrikam", "name": "Fabrikam"})),
        "grant_not_as_displayed",
    ),
    "other_request_id_displayed": (
        "The grant names another request than was displayed.",
        _shown(displayed(key=requester_key(), roster_version=1, id="lr-2")),
        "grant_not_as_displayed",
    ),
    "other_resource_same_digest": (
        "Another resource's id in the grant.",
        strict_case(strict_grant(resource_id="/subscriptions/s1/other")),
        "grant_not_as_displayed",
    ),
    "other_scenario_same_digest": (
        "Another kind of access.",
        strict_case(strict_grant(scenario="shell")),
        "grant_not_as_displayed",
    ),
    "decision_by_nobody_asked": (
        "A rostered key of somebody who is no approver of this request.",
        _shown(displayed(key=requester_key(), roster_version=1, approvers=["principal-bea"])),
        "grant_without_decision",
    ),
    # ---- wider ----
    "wider_than_displayed_in_time": (
        "An approval for longer than was asked.",
        _signed_case(statement(shown=STRICT, granted=9 * HOUR)),
        "wider_than_displayed",
    ),
    "wider_than_displayed_in_permission": (
        "An approval of more than was asked.",
        _signed_case(statement(shown=STRICT, permission="administrator"), permission="administrator"),
        "wider_than_displayed",
    ),
    "permission_unknown": (
        "A permission level that nobody knows is above all others.",
        _signed_case(statement(shown=STRICT, permission="root"), permission="root"),
        "wider_than_displayed",
    ),
    "wider_than_displayed_in_channels": (
        "An approval of a channel that was not asked for.",
        _signed_case(
            statement(shown=STRICT, channels=["clipboard", "drive", "printer"]),
            channels=("clipboard", "drive", "printer"),
        ),
        "wider_than_displayed",
    ),
    "wider_than_statement": (
        "More channels in the grant than the approver left.",
        _signed_case(statement(shown=STRICT, channels=["clipboard"])),
        "wider_than_statement",
    ),
    "account_of_higher_level": (
        "The account of another permission level.",
        strict_case(strict_grant(target=replace(grant().target, secret_ref="vm1.administrator"))),
        "wider_than_statement",
    ),
    # ---- the signature ----
    "unsigned_after_roster": (
        "A decision without a signature where the roster asks for one.",
        _unsigned_strict(),
        "signature_required",
    ),
    "forged_decision_by_provider_key": (
        "The provider's grants key signed the decision.",
        _signed_case(statement(shown=STRICT), GRANTS),
        "key_not_on_roster",
    ),
    "key_not_on_roster": (
        "A key that is not on the roster.",
        _signed_case(statement(shown=STRICT), BEA),
        "key_not_on_roster",
    ),
    "key_without_roster": (
        "A signature for a tenant that has no roster.",
        Case(grant_text=seal_grant(grant(decision=signed(statement())), GRANTS)),
        "key_not_on_roster",
    ),
    "key_added_after_request": (
        "A key that came after the request was made.",
        strict_case(
            grant(shown=STRICT, decision=signed(statement(shown=STRICT, by="principal-bea"), BEA)),
            rosters=(FIRST, SECOND),
        ),
        "key_added_later",
    ),
    "removed_key": (
        "A key that was taken away since.",
        strict_case(rosters=(FIRST, SECOND, THIRD)),
        "key_not_on_roster",
    ),
    "decision_in_other_name": (
        "Ada's key for a decision in Bea's name.",
        _signed_case(statement(shown=STRICT, by="principal-bea")),
        "key_of_other_person",
    ),
    "method_of_other_kind": (
        "An Ed25519 key's signature called a passkey's.",
        strict_case(grant(shown=STRICT, decision=replace(signed(statement(shown=STRICT)), method="passkey"))),
        "signature_wrong",
    ),
    "statement_changed_after_signing": (
        "Another reason under Ada's signature.",
        strict_case(
            grant(
                shown=STRICT,
                decision=replace(
                    signed(statement(shown=STRICT, reason="Other.")),
                    signature=sign_statement(statement(shown=STRICT), ADA),
                ),
            )
        ),
        "signature_wrong",
    ),
    "signature_by_other_key": (
        "A stranger's signature under the name of Ada's key.",
        strict_case(
            grant(
                shown=STRICT,
                decision=replace(
                    signed(statement(shown=STRICT)), signature=sign_statement(statement(shown=STRICT), STRANGER)
                ),
            )
        ),
        "signature_wrong",
    ),
    "unsigned_with_key": (
        "An unsigned decision that names a key.",
        Case(grant_text=seal_grant(grant(decision=replace(unsigned(statement()), key_id=ADA.key_id)), GRANTS)),
        "signature_wrong",
    ),
}
