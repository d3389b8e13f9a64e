"""No row of the table: the provider itself is the attacker. Database, web server and provider keys are theirs; the gateway is not.

The control plane here is the real one. Each attack forges in it what its holder can forge, and asks what a gateway makes of it.
"""

from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.domain.errors import LockboxError
from openlockbox.domain.grant import Grant
from openlockbox.gateway.control_plane import read_evidence
from openlockbox.grants.assertion import name_key
from openlockbox.grants.displayed import open_displayed
from openlockbox.grants.encoding import b64url
from openlockbox.grants.grant import DecisionDocument, GrantDocument, open_grant, seal_grant
from openlockbox.grants.keys import Ed25519Signer
from openlockbox.grants.pin import TenantPin
from openlockbox.grants.presence import PresenceProof, presence_statement
from openlockbox.grants.revocations import open_revocations
from openlockbox.grants.roster import SignedBy, open_signed, roster_text, signed_roster_text
from openlockbox.grants.token import ConnectionToken, open_token
from openlockbox.grants.trust import TrustBundle, decode_trust
from openlockbox.grants.verify import VerificationRefused
from openlockbox.services import access, gateways, passkeys
from openlockbox.services.roster import Change
from openlockbox.testing.authenticator import SoftAuthenticator
from openlockbox.verification.connection import Evidence, Held, verify_connection
from tests.attacks.signing import adding, approve_signed, begin_roster, change_roster, sign
from tests.world import AMBERTIDE, GATEWAY, World


@dataclass
class Gateway:
    """A gateway that knows the customer's fingerprint, and the engineer's telephone."""

    world: World
    trust: TrustBundle
    pin: TenantPin
    engineer: SoftAuthenticator

    def answer(
        self, grant: Grant, wire: str | None = None, *, evidence: Evidence | None = None, present: bool = True
    ) -> str:
        """Connect under a grant, or under a forged text of it; return the refusal's code, or "ok" and move the pin."""
        world = self.world
        offered = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
        token = open_token(offered.token, self.trust)
        try:
            verified = verify_connection(
                offered.token,
                wire or grant.wire,
                held=Held(
                    gateway_id=GATEWAY,
                    trust=self.trust,
                    pin=self.pin,
                    revocations=open_revocations(gateways.signed_revocations(world.lockbox), self.trust),
                    lease_age=world.clock.now - world.clock.now,
                    started_at=world.clock.now,
                ),
                evidence=evidence or self.shown(grant),
                presence=self.proof(token) if present else None,
                front="browser",
                now=world.clock.now,
            )
        except VerificationRefused as refused:
            return refused.code
        self.pin = verified.pin
        return "ok"

    def shown(self, grant: Grant) -> Evidence:
        """Ask the control plane for what lies between the pin and the grant."""
        return read_evidence(
            gateways.fetch_evidence(
                self.world.lockbox,
                gateways.find_gateway(self.world.lockbox, GATEWAY),
                grant_id=grant.id,
                roster_version=max(self.pin.roster_version - 1, 0),
                log_size=self.pin.log_size,
            )
        )

    def proof(self, token: ConnectionToken) -> PresenceProof:
        statement = presence_statement(gateway_id=GATEWAY, session_id=token.jti, grant_id=token.grant_id)
        return PresenceProof(statement=statement, signature=self.engineer.sign_statement(statement))


@dataclass
class Customer:
    """A customer with a strict roster: an approver's telephone, and a gateway that was told the fingerprint."""

    world: World
    key: SoftAuthenticator
    gateway: Gateway

    def granted(self) -> Grant:
        """Have an access asked for and approved as it should be."""
        request = self.world.pending()
        approve_signed(self.world, request, sign(self.world, request, self.key))
        with self.world.lockbox.database.unit_of_work(read_only=True) as uow:
            grant = uow.grants.find_of_request(request.id)
        assert grant is not None
        return grant

    def document(self, grant: Grant) -> GrantDocument:
        return open_grant(grant.wire, self.gateway.trust)

    def forged(self, grant: Grant, **changes: object) -> str:
        """Return the grant with other content, signed with the provider's own key."""
        document = replace(self.document(grant), **changes)  # type: ignore[arg-type]  # tests name the fields
        return seal_grant(document, self.world.keys.signer("grants"))


@pytest.fixture
def customer(world: World) -> Customer:
    keys = begin_roster(world)
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        (first,) = uow.rosters.versions(AMBERTIDE)
    pin = TenantPin(tenant_id=AMBERTIDE, roster_root=open_signed(first).roster.digest)
    trust = decode_trust(dict(world.keys.trust()))
    return Customer(world, keys.senna, Gateway(world, trust, pin, keys.idris))


def test_an_honest_control_plane_opens_the_session_that_the_customer_signed(customer: Customer) -> None:
    assert [customer.gateway.answer(customer.granted()) for _ in range(2)] == ["ok", "ok"]
    assert customer.gateway.pin.roster_version == 1
    assert customer.gateway.pin.log_size > 0


def test_an_approval_written_into_the_database_opens_nothing(customer: Customer) -> None:
    grant = customer.granted()
    said = customer.document(grant).decision
    for forged in (
        DecisionDocument(statement=said.statement, method="unsigned"),
        replace(said, signature=SoftAuthenticator().sign_statement(said.statement)),
        replace(said, key_id=name_key(SoftAuthenticator().spki)),
    ):
        wire = customer.forged(grant, decision=forged)
        assert customer.gateway.answer(grant, wire) in {"signature_required", "signature_wrong", "key_not_on_roster"}


def test_a_statement_changed_after_it_was_signed_opens_nothing(customer: Customer) -> None:
    grant = customer.granted()
    decision = customer.document(grant).decision
    other = decision.statement.replace('"nonce":"', '"nonce":"AAAA')
    assert customer.gateway.answer(grant, customer.forged(grant, decision=replace(decision, statement=other))) == (
        "signature_wrong"
    )


def test_a_key_that_the_engineer_took_off_the_account_connects_nothing(customer: Customer) -> None:
    grant, key_id = customer.granted(), name_key(customer.gateway.engineer.spki)
    passkeys.remove(customer.world.lockbox, customer.world.caller("idris"), key_id=key_id)
    assert refused(customer.world, lambda _: customer.gateway.answer(grant)) == "request_superseded"


@pytest.mark.parametrize("part", ["address", "port", "certificate_sha256", "secret_ref"])
def test_a_signed_approval_leads_nowhere_but_to_what_was_displayed(customer: Customer, part: str) -> None:
    grant = customer.granted()
    target = customer.document(grant).target
    other = {"address": "192.0.2.66", "port": 22, "certificate_sha256": "00" * 32, "secret_ref": "vm-admin"}[part]
    wire = customer.forged(grant, target=replace(target, **{part: other}))
    assert customer.gateway.answer(grant, wire) in {"grant_not_as_displayed", "wider_than_statement"}


def test_a_displayed_text_of_the_attackers_own_is_not_what_was_signed(customer: Customer) -> None:
    grant = customer.granted()
    document = customer.document(grant)
    other = document.displayed.replace("127.0.0.1", "192.0.2.66")
    assert open_displayed(other).target.address == "192.0.2.66"
    target = replace(document.target, address="192.0.2.66")
    assert customer.gateway.answer(grant, customer.forged(grant, displayed=other, target=target)) == "displayed_wrong"


def test_a_stolen_web_server_is_not_the_engineer(customer: Customer) -> None:
    grant = customer.granted()
    assert customer.gateway.answer(grant, present=False) == "presence_missing"
    customer.gateway.engineer = SoftAuthenticator()
    assert customer.gateway.answer(grant) == "presence_wrong"


def test_a_roster_of_the_providers_own_is_not_the_customers(customer: Customer) -> None:
    grant, attacker = customer.granted(), SoftAuthenticator()
    honest = customer.gateway.shown(grant)
    roster = open_signed(honest.rosters[0]).roster
    mine = replace(
        roster.keys[0], key_id=name_key(attacker.spki), public_key=b64url(attacker.spki), credential_id="AAAA"
    )
    first = roster_text(replace(roster, keys=(mine,)))
    shown = signed_roster_text(first, [SignedBy(mine.key_id, attacker.sign_statement(first))])
    assert customer.gateway.answer(grant, evidence=replace(honest, rosters=(shown,))) == "roster_forked"
    assert customer.gateway.answer(grant, evidence=replace(honest, rosters=())) == "roster_rolled_back"
    second = roster_text(replace(roster, version=2, previous=roster.digest, keys=(replace(mine, added_in=2),)))
    change = signed_roster_text(second, [SignedBy(mine.key_id, attacker.sign_statement(second))])
    assert customer.gateway.answer(grant, evidence=replace(honest, rosters=(honest.rosters[0], change))) == (
        "roster_change_wrong"
    )


def test_a_gateway_that_saw_a_longer_log_believes_no_shorter_one(customer: Customer) -> None:
    early, late = customer.granted(), customer.granted()
    assert customer.gateway.answer(late) == "ok"
    assert customer.gateway.answer(early) == "ok"  # an older grant of the same log
    pin = customer.gateway.pin
    customer.gateway.pin = replace(pin, log_root="ab" * 32)
    assert customer.gateway.answer(late) == "log_forked"
    customer.gateway.pin = replace(pin, log_size=pin.log_size + 100)
    assert customer.gateway.answer(late) == "log_rolled_back"


def test_an_approval_that_is_not_in_the_log_opens_nothing(customer: Customer) -> None:
    grant, other = customer.granted(), customer.granted()
    log = customer.document(other).log
    assert customer.gateway.answer(grant, customer.forged(grant, log=log)) == "approval_not_logged"
    own = customer.document(grant).log
    assert customer.gateway.answer(grant, customer.forged(grant, log=replace(own, proof=()))) == "inclusion_wrong"


def test_a_tenant_that_nobody_pinned_opens_nothing(customer: Customer) -> None:
    grant = customer.granted()
    customer.gateway.pin = TenantPin(tenant_id="pelimoor")
    assert customer.gateway.answer(grant) == "tenant_not_pinned"


# ---- the same rules in the control plane: refused before a gateway has to -------------------------------------------


def refused(world: World, act: object, *given: object) -> str:
    with pytest.raises(LockboxError) as refusal:
        act(world, *given)
    return refusal.value.code


def test_without_a_signature_nothing_is_decided_once_there_is_a_roster(customer: Customer) -> None:
    assert refused(customer.world, World.approve, customer.world.pending()) == "signature_required"


def test_a_key_added_after_the_request_does_not_count_for_it(customer: Customer) -> None:
    world, waiting = customer.world, customer.world.pending()
    orla = world.passkey("orla")
    change_roster(world, adding(orla), "senna", customer.key)
    assert refused(world, approve_signed, waiting, sign(world, waiting, orla, "orla"), "orla") == "key_added_later"
    later = world.pending()
    assert approve_signed(world, later, sign(world, later, orla, "orla"), "orla").decision.by == "orla"


def test_a_removed_key_counts_no_more_at_once(customer: Customer) -> None:
    world, orla = customer.world, customer.world.passkey("orla")
    change_roster(world, adding(orla), "senna", customer.key)
    waiting = world.pending()
    signed = sign(world, waiting, orla, "orla")
    change_roster(world, Change(remove=frozenset({name_key(orla.spki)})), "senna", customer.key)
    assert refused(world, approve_signed, waiting, signed, "orla") == "key_not_on_roster"


def test_only_a_key_on_the_roster_changes_it(customer: Customer) -> None:
    world, orla = customer.world, customer.world.passkey("orla")
    assert refused(world, change_roster, adding(orla), "orla", orla) == "roster_change_refused"


def test_the_first_roster_needs_the_code_that_the_customer_was_given(world: World) -> None:
    key = world.passkey("senna")
    assert refused(world, change_roster, adding(key), "senna", key) == "roster_code_wrong"


def test_an_engineer_without_a_key_asks_for_nothing_once_there_is_a_roster(customer: Customer) -> None:
    key_id = name_key(customer.gateway.engineer.spki)
    passkeys.remove(customer.world.lockbox, customer.world.caller("idris"), key_id=key_id)
    assert refused(customer.world, World.pending) == "engineer_key_required"


@pytest.mark.parametrize(
    "change", [{"front": "native"}, {"engineer_id": "wrenna"}, {"session_id": "SES-0"}, {"tenant_id": "pelimoor"}]
)
def test_the_log_takes_no_start_that_the_gateway_did_not_sign(world: World, change: dict[str, str]) -> None:
    offered = access.connect(world.lockbox, world.caller("idris"), grant_id=world.granted().id, front="browser").session
    stranger = Ed25519Signer(Ed25519PrivateKey.generate())
    for statement in (world.start_of(offered, **change), world.start_of(offered, stranger), ""):
        with pytest.raises(LockboxError) as refusal:
            gateways.start_session(
                world.lockbox,
                gateways.find_gateway(world.lockbox, GATEWAY),
                session_id=offered.id,
                grant_id=offered.grant_id,
                front="browser",
                client_address="",
                statement=statement,
                log_size=0,
            )
        assert refusal.value.code == "gateway_refused"
    assert "session.started" not in world.actions()
    world.start(offered)
