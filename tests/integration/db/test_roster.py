"""The approver roster as use cases, on every database: the first key with a code, every later change with a signature."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.domain.errors import (
    InvalidInput,
    LockboxError,
    NotAllowed,
    NotFound,
    RosterChangeRefused,
    RosterCodeWrong,
    RosterExists,
    StepUpRequired,
)
from openlockbox.domain.grant import GrantState
from openlockbox.domain.ids import PrincipalId
from openlockbox.grants.assertion import name_key, sign_text
from openlockbox.grants.keys import Ed25519Signer, encode_public_key
from openlockbox.grants.roster import SignedBy, check_first, roster_text, signed_roster_text, verify_chain
from openlockbox.services import roster
from openlockbox.services.ports import EntryFilter
from openlockbox.services.roster import Change
from openlockbox.testing.authenticator import SoftAuthenticator
from tests.world import AMBERTIDE, PELIMOOR, PROVIDER, build_world


@pytest.fixture
def world(any_database, tmp_path):
    return build_world(any_database, tmp_path)


def key_of(authenticator):
    return name_key(authenticator.spki)


def view(world, by="senna"):
    return roster.read(world.lockbox, world.caller(by), tenant_id=AMBERTIDE)


def propose(world, change, by="senna"):
    return roster.propose(world.lockbox, world.caller(by), tenant_id=AMBERTIDE, change=change)


def submit(world, text, *authenticators, by="senna", code="", **caller):
    signatures = [
        SignedBy(one.key_id, sign_text(text, one))
        if isinstance(one, Ed25519Signer)
        else SignedBy(key_of(one), one.sign_statement(text))
        for one in authenticators
    ]
    who = replace(world.caller(by), **caller)
    return roster.submit(
        world.lockbox, who, tenant_id=AMBERTIDE, signed=signed_roster_text(text, signatures), code=code
    )


def problem(act):
    with pytest.raises(RosterChangeRefused) as caught:
        act()
    return caught.value.params["problem"]


def mails(world):
    with world.lockbox.database.unit_of_work() as uow:
        return sorted(r.recipient for r in uow.outbox.due(world.clock.now, limit=99) if r.template == "roster_changed")


def test_a_tenant_begins_without_a_roster(world):
    seen = view(world, "tessa")
    assert (seen.roster, seen.root, seen.signed) == (None, "", ())


def test_the_first_key_comes_with_a_code_and_everybody_is_told(world):
    senna = world.passkey("senna")
    code = roster.issue_code(world.lockbox, tenant_id=AMBERTIDE)
    assert [key.principal_id for key in view(world).waiting] == ["senna"]
    made = world.sign_roster(Change(add=frozenset({key_of(senna)})), senna, code=f" {code}\n")
    assert (made.version, made.unsigned_decisions, made.quorum) == (1, False, 1)
    seen = view(world, "orla")
    assert seen.root == made.digest
    assert seen.roster == made
    assert seen.waiting == ()
    assert mails(world) == ["orla", "senna", "tessa"]
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        (entry,) = uow.activity.entries(AMBERTIDE, EntryFilter(codes=frozenset({"roster.changed"})))
        assert uow.activity.document(AMBERTIDE, uow_digest(uow, entry)) == seen.signed[0]
    assert entry.event.detail["added"] == entry.event.detail["signed_by"] == key_of(senna)
    assert check_first(seen.signed[0]) == made
    with pytest.raises(RosterExists):
        roster.issue_code(world.lockbox, tenant_id=AMBERTIDE)


def uow_digest(uow, entry):
    return json.loads(entry.leaf)["document"]


@pytest.mark.parametrize("wrong", ["", "else", "earlier", "late", "used"])
def test_the_code_is_the_tenants_newest_in_its_time_and_once(world, wrong):
    senna = world.passkey("senna")
    earlier = roster.issue_code(world.lockbox, tenant_id=AMBERTIDE)
    code = roster.issue_code(world.lockbox, tenant_id=AMBERTIDE)
    if wrong == "late":
        world.clock.advance(roster.CODE_TIME)
    given = {"earlier": earlier, "late": code, "used": earlier}.get(wrong, wrong)
    with pytest.raises(RosterCodeWrong):
        world.sign_roster(Change(add=frozenset({key_of(senna)})), senna, code=given)
    assert world.last_refusal() == ("roster.change", "roster_code_wrong")
    assert view(world).roster is None


def test_codes_are_for_customers(world):
    with pytest.raises(NotFound):
        roster.issue_code(world.lockbox, tenant_id=PROVIDER)


@pytest.mark.parametrize(
    "name, refusal",
    [("rhea", NotAllowed), ("bram", NotAllowed), ("piet", NotFound), ("idris", NotFound), ("oper", NotFound)],
)
def test_only_administrators_and_approvers_see_and_change_it(world, name, refusal):
    senna = world.rostered("senna")["senna"]
    text = propose(world, Change(unsigned_decisions=True)).text
    for act in (
        lambda: view(world, name),
        lambda: propose(world, Change(), by=name),
        lambda: roster.review(world.lockbox, world.caller(name), tenant_id=AMBERTIDE, text=text),
        lambda: submit(world, text, senna, by=name),
    ):
        with pytest.raises(refusal):
            act()


def test_a_change_needs_a_fresh_second_factor_in_the_portal(world):
    senna = world.rostered("senna")["senna"]
    text = propose(world, Change(unsigned_decisions=True)).text
    with pytest.raises(StepUpRequired):
        submit(world, text, senna, mfa_at=world.clock.now - timedelta(minutes=11))
    assert submit(world, text, senna, mfa_at=None, via="api").version == 2


def test_keys_are_added_and_removed_by_a_key_on_it(world):
    senna = world.rostered("senna")["senna"]
    orla = world.passkey("orla")
    second = world.sign_roster(Change(add=frozenset({key_of(orla)})), senna)
    assert {key.principal_id: key.added_in for key in second.keys} == {"senna": 1, "orla": 2}
    third = world.sign_roster(Change(remove=frozenset({key_of(senna)})), orla, by="orla")
    assert [key.principal_id for key in third.keys] == ["orla"]
    seen = view(world)
    assert [r.version for r in verify_chain(seen.signed, root=seen.root)] == [1, 2, 3]
    assert set(seen.times) == {1, 2, 3}
    assert seen.people[PrincipalId("senna")].name == "Senna"
    assert world.actions().count("roster.changed") == 3
    world.clock.advance(timedelta(minutes=1))
    assert problem(lambda: world.sign_roster(Change(unsigned_decisions=True), senna)) == "roster_signer"
    assert world.last_refusal() == ("roster.change", "roster_change_refused")


def test_a_removal_ends_what_rests_on_the_key_and_nothing_else(world):
    held = world.rostered("senna", "orla")
    world.passkey("idris")
    by_senna, by_orla = world.pending(), world.pending()
    world.approve_signed(by_senna, held["senna"])
    world.approve_signed(by_orla, held["orla"], by="orla")
    world.sign_roster(Change(remove=frozenset({key_of(held["senna"])})), held["orla"], by="orla")
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        ended, kept = (uow.grants.find_of_request(request.id) for request in (by_senna, by_orla))
        assert (ended.state, kept.state) == (GrantState.REVOKING, GrantState.ACTIVE)
        assert ("grant", ended.id) in uow.gateways.revocations(world.clock.now)[1]
    assert "grant.revoking" in world.actions()


def test_the_quorum_changes_the_rules(world):
    held = world.rostered("senna", "orla")
    world.sign_roster(Change(quorum=2), held["senna"])
    proposal = propose(world, Change(unsigned_decisions=True))
    assert proposal.needed == 2
    assert problem(lambda: submit(world, proposal.text, held["senna"])) == "roster_quorum"
    seen = roster.review(world.lockbox, world.caller("orla"), tenant_id=AMBERTIDE, text=proposal.text)
    assert [key.principal_id for key in seen.signers] == ["orla"]
    assert submit(world, proposal.text, held["senna"], held["orla"]).unsigned_decisions
    assert propose(world, Change(unsigned_decisions=False)).needed == 1


def test_a_recovery_key_brings_a_lost_roster_back(world):
    senna = world.rostered("senna")["senna"]
    safe = Ed25519Signer(Ed25519PrivateKey.generate())
    world.sign_roster(Change(recovery_keys=(encode_public_key(safe.public_key),)), senna)
    orla = world.passkey("orla")
    change = Change(add=frozenset({key_of(orla)}), remove=frozenset({key_of(senna)}))
    recovered = submit(world, propose(world, change, by="orla").text, safe, by="orla")
    assert [key.principal_id for key in recovered.keys] == ["orla"]
    for keys in (("AAAA",), ("",)):
        with pytest.raises(InvalidInput):
            propose(world, Change(recovery_keys=keys))


def test_only_enrolled_keys_of_administrators_and_approvers_come_on(world):
    world.rostered("senna")
    reader, stranger = world.passkey("rhea"), SoftAuthenticator()
    for authenticator in (reader, stranger):
        assert problem(lambda one=authenticator: propose(world, Change(add=frozenset({key_of(one)})))) == "key_unknown"
    assert problem(lambda: propose(world, Change(remove=frozenset({"0" * 16})))) == "key_unknown"
    assert problem(lambda: propose(world, Change(quorum=2))).startswith("roster_malformed")
    for witnesses in (("w+00000000+AAAA",), ("x",)):
        with pytest.raises(InvalidInput):
            propose(world, Change(witnesses=witnesses))


def test_what_was_signed_by_hand_is_checked_like_a_proposal(world):
    senna = world.rostered("senna")["senna"]
    proposal = propose(world, Change(unsigned_decisions=True))
    orla = world.passkey("orla")
    posing = replace(
        proposal.new, keys=tuple(sorted((*proposal.new.keys, replace(proposal.new.keys[0], key_id=key_of(orla),
        public_key=view(world).waiting[0].public_key, added_in=2)), key=lambda key: key.key_id)),
    )  # fmt: skip
    assert problem(lambda: submit(world, roster_text(posing), senna)) == "key_unknown"  # orla's key as senna's
    early = replace(proposal.new, at=proposal.new.at - timedelta(seconds=1))
    late = replace(proposal.new, at=world.clock.now + timedelta(seconds=1))
    assert problem(lambda: submit(world, roster_text(early), senna)) == "roster_time"
    assert problem(lambda: submit(world, roster_text(late), senna)) == "roster_time"
    other = replace(proposal.new, tenant_id=PELIMOOR)
    assert problem(lambda: submit(world, roster_text(other), senna)) == "roster_tenant"
    world.clock.advance(roster.PROPOSAL_TIME + timedelta(seconds=1))
    assert problem(lambda: submit(world, proposal.text, senna)) == "roster_time"
    for text in ("", "{}"):
        with pytest.raises(LockboxError):
            roster.submit(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE, signed=text)
        with pytest.raises(RosterChangeRefused):
            roster.review(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE, text=text)


def test_the_first_roster_names_this_site_and_log(world):
    senna = world.passkey("senna")
    code = roster.issue_code(world.lockbox, tenant_id=AMBERTIDE)
    proposal = propose(world, Change(add=frozenset({key_of(senna)})))
    elsewhere = replace(proposal.new, origins=("http://localhost", "https://evil.example"))
    assert problem(lambda: submit(world, roster_text(elsewhere), senna, code=code)) == "site_differs"
    assert submit(world, proposal.text, senna, code=code).version == 1


def test_of_two_changes_made_at_once_one_counts(world):
    held = world.rostered("senna", "orla")
    one, other = (propose(world, Change(remove=frozenset({key_of(held[name])}))).text for name in ("senna", "orla"))
    submit(world, one, held["orla"])
    assert problem(lambda: submit(world, other, held["senna"])) == "roster_version"
