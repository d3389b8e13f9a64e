"""Decisions under a roster, on every database: what counts, and each refusal."""

import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import (
    AlreadyDecided,
    DecisionWidens,
    EngineerKeyRequired,
    KeyAddedLater,
    KeyNotOnRoster,
    NotAnApprover,
    NotFound,
    RequestChanged,
    RequestSuperseded,
    SelfApproval,
    SignatureRequired,
    SignatureWrong,
    StatementDiffers,
    StatementTooOld,
)
from openlockbox.domain.lockbox_request import RequestState
from openlockbox.grants.assertion import name_key, sign_text, verify_signature
from openlockbox.grants.displayed import open_displayed
from openlockbox.grants.encoding import canonical_bytes
from openlockbox.grants.grant import peek_grant
from openlockbox.grants.keys import Ed25519Signer, encode_public_key
from openlockbox.grants.statement import open_statement
from openlockbox.services import decisions, elevation, passkeys
from openlockbox.services.passkeys import signing_key_statement
from openlockbox.services.ports import EntryFilter
from openlockbox.services.roster import Change
from openlockbox.services.statements import STATEMENT_TIME, Signed
from tests.world import AMBERTIDE, build_world


@pytest.fixture
def world(any_database, tmp_path):
    return build_world(any_database, tmp_path)


@pytest.fixture
def strict(world):
    """Return the world with Senna and Orla on the roster, and Idris with a key of his own."""
    world.held = world.rostered("senna", "orla")
    world.engineer = world.passkey("idris")
    return world


def decide(world, request, text, signature, *, by="senna", answer="approve", key_id=""):
    act = decisions.approve_signed if answer == "approve" else decisions.deny_signed
    signed = Signed(statement=text, signature=signature, key_id=key_id)
    return act(world.lockbox, world.caller(by), request_id=request.id, signed=signed)


def grant_of(world, request):
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        return uow.grants.find_of_request(request.id)


def document_of(world, code):
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        (entry,) = uow.activity.entries(AMBERTIDE, EntryFilter(codes=frozenset({code})))
        return uow.activity.document(AMBERTIDE, json.loads(entry.leaf)["document"])


def test_without_a_roster_password_and_code_decide_and_it_is_marked(world):
    request = world.approve(world.pending())
    assert (request.decision.method, request.decision.key_id, request.decision.signature) == ("unsigned", "", "")
    wire = peek_grant(grant_of(world, request).wire)
    assert wire.decision.method == "unsigned"
    assert json.loads(document_of(world, "request.approved"))["method"] == "unsigned"
    assert open_displayed(request.displayed).roster_version == 0
    assert not world.to_sign(world.pending()).is_required


def test_a_signed_approval_stands_in_the_grant_and_beside_the_log(strict):
    request = strict.pending(channels=frozenset({"clipboard"}))
    shown = open_displayed(request.displayed)
    assert shown.roster_version == 1
    assert shown.requester_key.credential_id == strict.engineer.credential_id
    assert dict(shown.target.secret_refs) == {"operate": "vm-user"}
    offer = strict.to_sign(request)
    assert (offer.is_required, offer.hindrance, offer.rp_id) == (True, "", "localhost")
    assert [key.credential_id for key in offer.keys] == [strict.held["senna"].credential_id]
    approved = strict.approve_signed(request, strict.held["senna"], reason="Go on.")
    made = approved.decision
    assert (made.method, made.key_id) == ("passkey", name_key(strict.held["senna"].spki))
    wire = peek_grant(grant_of(strict, request).wire)
    assert (wire.decision.statement, wire.decision.signature) == (made.statement, made.signature)
    assert wire.displayed == request.displayed
    assert wire.not_after - wire.not_before == timedelta(hours=8)
    with strict.lockbox.database.unit_of_work(read_only=True) as uow:
        stored = uow.lockbox_requests.get(request.id)
    assert stored.decision == made
    kept = json.loads(document_of(strict, "request.approved"))
    assert (kept["statement"], kept["signature"]) == (made.statement, made.signature)
    assert document_of(strict, "grant.issued") == grant_of(strict, request).wire
    verify_signature(offer.keys[0], made.signature, made.statement, rp_id="localhost", origins=("http://localhost",))


def test_a_signed_denial_is_kept_too(strict):
    request = strict.pending()
    text = strict.to_sign(request, answer="deny", reason="No.").statement
    denied = decide(strict, request, text, strict.held["senna"].sign_statement(text), answer="deny")
    assert (denied.state, denied.decision.method, denied.decision.reason) == (RequestState.DENIED, "passkey", "No.")
    assert json.loads(document_of(strict, "request.denied"))["statement"] == text
    assert grant_of(strict, request) is None


def test_an_approver_narrows_what_is_granted(strict):
    question = strict.ask(permission=Permission.ADMINISTRATOR, channels=frozenset({"clipboard"}))
    elevation.approve_internally(strict.lockbox, strict.caller("maud"), jit_request_id=question.id, reason="")
    with strict.lockbox.database.unit_of_work(read_only=True) as uow:
        request = uow.lockbox_requests.find_of_jit(question.id)
    strict.approve_signed(
        request,
        strict.held["senna"],
        permission=Permission.OPERATE,
        channels=frozenset(),
        granted_duration=timedelta(hours=1),
    )
    grant = grant_of(strict, request)
    wire = peek_grant(grant.wire)
    assert (wire.permission, wire.channels, wire.target.secret_ref) == ("operate", (), "vm-user")
    assert wire.not_after - wire.not_before == timedelta(hours=1)
    assert (grant.elevation.permission, grant.elevation.channels) == (Permission.OPERATE, frozenset())


@pytest.mark.parametrize(
    "chosen",
    [
        {"permission": Permission.ADMINISTRATOR},
        {"channels": frozenset({"drive"})},
        {"granted_duration": timedelta(hours=9)},
        {"granted_duration": timedelta(days=30)},
        {"granted_duration": timedelta(0)},
        {"granted_duration": timedelta(seconds=1.5)},
    ],
)
def test_nothing_is_widened(world, chosen):
    request = world.pending(channels=frozenset({"clipboard"}))
    with pytest.raises(DecisionWidens):
        world.to_sign(request, **chosen)
    whole = {"granted_duration": None, "reason": "", **chosen}
    with pytest.raises(DecisionWidens):
        decisions.approve(world.lockbox, world.caller("senna"), request_id=request.id, digest=request.digest, **whole)


def test_an_unsigned_decision_does_not_count_under_a_roster(strict):
    request = strict.pending()
    with pytest.raises(SignatureRequired):
        strict.approve(request)
    assert strict.last_refusal() == ("request.approve", "signature_required")
    with pytest.raises(SignatureRequired):
        decisions.deny(strict.lockbox, strict.caller("senna"), request_id=request.id, digest=request.digest, reason="")


@pytest.mark.parametrize("by", ["senna", "rhea"])
def test_a_statement_without_a_signature_is_nobodys_also_without_a_roster(world, by):
    request = world.pending()
    text = world.to_sign(request).statement
    with pytest.raises(SignatureWrong):
        decide(world, request, text, "", by=by)


def test_a_roster_may_let_unsigned_decisions_count_beside_signed_ones(strict):
    strict.sign_roster(Change(unsigned_decisions=True), strict.held["senna"])
    first, second = strict.pending(), strict.pending()
    assert strict.approve(first).decision.method == "unsigned"
    assert strict.approve_signed(second, strict.held["senna"]).decision.method == "passkey"


def test_additions_do_not_count_for_waiting_requests_and_removals_at_once(strict):
    waiting = strict.pending()
    newer = strict.passkey("senna")
    strict.sign_roster(Change(add=frozenset({name_key(newer.spki)})), strict.held["orla"], by="orla")
    with pytest.raises(KeyAddedLater):
        strict.approve_signed(waiting, newer)
    assert strict.last_refusal() == ("request.approve", "key_added_later")
    assert [key.key_id for key in strict.to_sign(waiting).keys] == [name_key(strict.held["senna"].spki)]
    removed = strict.held["senna"]
    strict.sign_roster(Change(remove=frozenset({name_key(removed.spki)})), strict.held["orla"], by="orla")
    with pytest.raises(SignatureWrong):
        strict.approve_signed(waiting, removed)
    text = strict.to_sign(waiting).statement
    with pytest.raises(KeyNotOnRoster):
        decide(strict, waiting, text, removed.sign_statement(text), key_id=name_key(removed.spki))
    assert strict.to_sign(waiting).hindrance == "key_added_later"
    assert strict.approve_signed(strict.pending(), newer).state is RequestState.APPROVED


def test_requests_from_before_the_roster_count_for_no_key(world):
    world.passkey("idris")
    request = world.pending()
    senna = world.rostered("senna")["senna"]
    with pytest.raises(KeyAddedLater):
        world.approve_signed(request, senna)
    with pytest.raises(SignatureRequired):
        world.approve(request)


def test_a_key_that_its_owner_took_off_the_account_does_not_count(strict):
    request = strict.pending()
    senna = strict.held["senna"]
    passkeys.remove(strict.lockbox, strict.caller("senna"), key_id=name_key(senna.spki))
    with pytest.raises(KeyNotOnRoster):
        strict.approve_signed(request, senna)
    assert strict.to_sign(request).hindrance == "key_not_on_roster"


def test_only_ones_own_key_counts(strict):
    request = strict.pending()
    text = strict.to_sign(request).statement
    with pytest.raises(SignatureWrong):
        decide(strict, request, text, strict.held["orla"].sign_statement(text))
    orla = strict.held["orla"]
    with pytest.raises(KeyNotOnRoster):
        decide(strict, request, text, orla.sign_statement(text), key_id=name_key(orla.spki))
    with pytest.raises(StatementDiffers):  # senna's statement in orla's hands
        decide(strict, request, text, strict.held["senna"].sign_statement(text), by="orla")


def test_without_a_roster_a_signature_counts_for_nobody(world):
    senna, request = world.passkey("senna"), world.pending()
    with pytest.raises(KeyNotOnRoster):
        world.approve_signed(request, senna)


def test_a_signature_counts_for_its_request_only(strict):
    one, other = strict.pending(), strict.pending()
    text = strict.to_sign(one).statement
    signature = strict.held["senna"].sign_statement(text)
    with pytest.raises(RequestChanged):
        decide(strict, other, text, signature)
    with pytest.raises(StatementDiffers):
        decide(strict, one, text, signature, answer="deny")
    decide(strict, one, text, signature)
    with pytest.raises(AlreadyDecided):
        decide(strict, one, text, signature)


@pytest.mark.parametrize(
    "change",
    [{"tenant_id": "pelimoor"}, {"request_id": "LBX-0"}, {"by": "orla"}, {"roster_version": 0}, {"reason": " x "}],
)
def test_a_signed_statement_about_something_else_is_refused(strict, change):
    request = strict.pending()
    document = json.loads(strict.to_sign(request).statement) | change
    text = canonical_bytes(document).decode()
    with pytest.raises(StatementDiffers):
        decide(strict, request, text, strict.held["senna"].sign_statement(text))


@pytest.mark.parametrize("text", ["", "{}", "x" * 20_000])
def test_what_is_no_statement_is_refused(strict, text):
    with pytest.raises(StatementDiffers):
        decide(strict, strict.pending(), text, "x")


def test_a_signed_statement_widens_nothing(strict):
    request = strict.pending()
    said = json.loads(strict.to_sign(request).statement)
    for change in ({"granted_seconds": 9 * 3600}, {"permission": "administrator"}, {"permission": "root"},
                   {"channels": ["drive"]}):  # fmt: skip
        text = canonical_bytes(said | change).decode()
        with pytest.raises(DecisionWidens):
            decide(strict, request, text, strict.held["senna"].sign_statement(text))


def test_a_statement_counts_for_five_minutes(strict):
    request = strict.pending()
    text = strict.to_sign(request).statement
    signature = strict.held["senna"].sign_statement(text)
    strict.clock.advance(-timedelta(seconds=1))
    with pytest.raises(StatementTooOld):
        decide(strict, request, text, signature)
    strict.clock.advance(STATEMENT_TIME + timedelta(seconds=1, microseconds=1))
    with pytest.raises(StatementTooOld):
        decide(strict, request, text, signature)
    strict.clock.advance(-timedelta(microseconds=1))
    assert decide(strict, request, text, signature).state is RequestState.APPROVED


def test_authority_comes_before_signatures(strict):
    request = strict.pending()
    text = strict.to_sign(request).statement
    for by, refusal in (("rhea", NotAnApprover), ("bram", NotAnApprover), ("piet", NotFound)):
        with pytest.raises(refusal):
            strict.to_sign(request, by=by)
        with pytest.raises(refusal):
            decide(strict, request, text, "x", by=by)
    with pytest.raises((NotFound, SelfApproval)):
        strict.to_sign(request, by="idris")


def test_an_automation_decides_with_its_key(strict):
    automation = Ed25519Signer(Ed25519PrivateKey.generate())
    public_key = encode_public_key(automation.public_key)
    proof = sign_text(signing_key_statement("senna", public_key), automation)
    passkeys.add_automation_key(strict.lockbox, strict.caller("senna"), name="ci", public_key=public_key, proof=proof)
    strict.sign_roster(Change(add=frozenset({automation.key_id})), strict.held["senna"])
    request = strict.pending()
    text = strict.to_sign(request).statement
    made = decide(strict, request, text, sign_text(text, automation), key_id=automation.key_id).decision
    assert (made.method, made.key_id) == ("ed25519", automation.key_id)


def test_under_a_roster_an_engineer_needs_a_key(world):
    world.rostered("senna")
    case = world.case()
    with pytest.raises(EngineerKeyRequired):
        world.ask(case)
    assert world.last_refusal() == ("jit_request.submit", "engineer_key_required")
    world.passkey("idris")
    assert world.pending(case=case).state is RequestState.CUSTOMER_NOTIFIED


def test_a_roster_that_comes_during_the_internal_review_asks_for_the_key_too(world):
    question = world.ask(permission=Permission.ADMINISTRATOR)
    assert question.state == "internal_review"
    world.rostered("senna")
    with pytest.raises(EngineerKeyRequired):
        elevation.approve_internally(world.lockbox, world.caller("maud"), jit_request_id=question.id, reason="")
    world.passkey("idris")
    elevation.approve_internally(world.lockbox, world.caller("maud"), jit_request_id=question.id, reason="")


def test_an_engineer_who_lost_the_displayed_key_is_not_let_in(strict):
    request = strict.pending()
    passkeys.remove(strict.lockbox, strict.caller("idris"), key_id=name_key(strict.engineer.spki))
    with pytest.raises(RequestSuperseded):
        strict.approve_signed(request, strict.held["senna"])


def test_a_statement_is_like_no_other(strict):
    request = strict.pending()
    one, other = (open_statement(strict.to_sign(request).statement) for _ in range(2))
    assert one.nonce != other.nonce


def test_a_decision_waits_for_a_change_of_the_roster(strict):
    """What was read before the roster's lock does not count after it: here the change comes first."""
    request = strict.pending()
    senna = strict.held["senna"]
    text = strict.to_sign(request).statement
    signature = senna.sign_statement(text)
    strict.sign_roster(Change(remove=frozenset({name_key(senna.spki)})), strict.held["orla"], by="orla")
    with pytest.raises(KeyNotOnRoster):
        decide(strict, request, text, signature)
