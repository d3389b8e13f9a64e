"""A customer with mirror, witness and evidence of their own, over HTTP, against a provider who tampers. Real process and commands."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from openlockbox.activitylog.entry import Entry, OpenedField
from openlockbox.cli.main import main
from openlockbox.domain.events import Event
from openlockbox.domain.grant import Grant
from openlockbox.domain.ids import ActorId, CorrelationId, PrincipalId
from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.domain.session import EndReason
from openlockbox.grants.assertion import SigningKey
from openlockbox.grants.encoding import canonical_bytes
from openlockbox.grants.grant import DecisionDocument, signed_decision
from openlockbox.grants.roster import Roster, SignedBy, open_roster, roster_text, signed_roster_text
from openlockbox.grants.statement import open_statement
from openlockbox.services import access, decisions, gateways, statements
from openlockbox.services.log import log_keys
from openlockbox.services.passkeys import signing_keys
from openlockbox.services.ports import EntryFilter
from openlockbox.services.statements import Choice, Signed
from openlockbox.testing.authenticator import SoftAuthenticator
from openlockbox.verification.evidence import verify_evidence
from openlockbox.verification.pin import Pin
from tests.integration.web.conftest import WebWorld
from tests.ledger import bent, flip, places
from tests.world import AMBERTIDE, GATEWAY, PELIMOOR

DEADLINE = 30.0
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
CHILD = Path(__file__).with_name("log_child.py")


@dataclass
class Customer:
    """A customer with a roster, at a provider's web process; `lockbox` runs the command of their own machine."""

    world: WebWorld
    directory: Path  # the provider's
    home: Path  # the customer's own
    url: str
    token: str
    passkey: SoftAuthenticator
    root: str = ""
    begin: datetime = START

    # ---- what goes on ----

    def roster(
        self, *, add: tuple[SigningKey, ...] = (), signer: SoftAuthenticator | None = None, **rules: object
    ) -> None:
        """Write the next version of the roster, as the service does."""
        world = self.world
        with world.lockbox.database.unit_of_work() as uow:
            latest = uow.rosters.latest(AMBERTIDE)
            key = replace(signing_keys(uow, PrincipalId("senna"))[0], added_in=1)
            first = {
                "tenant_id": AMBERTIDE, "version": 1, "previous": "", "rp_id": "localhost", "origins": ("http://localhost",),
                "keys": (key,), "recovery_keys": (), "quorum": 1, "unsigned_decisions": False,
                "log_keys": tuple(log_keys(world.lockbox, AMBERTIDE)), "witnesses": (), "witness_quorum": 0,
                "at": world.clock.now,
            }  # fmt: skip
            if latest is not None:
                old = open_roster(latest.roster_text)
                first = {name: getattr(old, name) for name in first} | {
                    "version": old.version + 1, "previous": old.digest, "keys": (*old.keys, *add), "at": world.clock.now
                }  # fmt: skip
            text = roster_text(Roster(**(first | rules)))  # type: ignore[arg-type]  # tests name the fields
            signature = (signer or self.passkey).sign_statement(text)
            signed = signed_roster_text(text, [SignedBy(key.key_id, signature)])
            uow.rosters.add(AMBERTIDE, open_roster(text).version, signed, text)
            self.append(uow, "roster.changed", f"tenant:{AMBERTIDE}", document=signed)
            uow.commit()
        self.root = self.root or open_roster(text).digest

    def append(
        self, uow, code: str, subject: str, *, actor: str = "principal:senna", document: str = "", **detail: str
    ) -> None:
        """Append an entry as whoever holds the control plane can."""
        uow.activity.append(
            Event(
                code=code,
                tenant_id=AMBERTIDE,
                actor=ActorId(actor),
                subject=subject,
                correlation_id=CorrelationId("x"),
                detail=detail,
                document=document,
            ),
            at=self.world.clock.now,
        )

    def forge(self, code: str, subject: str, **more: str) -> None:
        with self.world.lockbox.database.unit_of_work() as uow:
            self.append(uow, code, subject, **more)
            uow.commit()

    def statement(self, request: LockboxRequest) -> str:
        prepared = statements.prepare(
            self.world.lockbox,
            self.world.caller("senna"),
            request_id=request.id,
            digest=request.digest,
            choice=Choice(answer="approve"),
        )
        return prepared.statement

    def approve(self, request: LockboxRequest) -> Grant:
        text = self.statement(request)
        decisions.approve_signed(
            self.world.lockbox,
            self.world.caller("senna"),
            request_id=request.id,
            signed=Signed(statement=text, signature=self.passkey.sign_statement(text)),
        )
        with self.world.lockbox.database.unit_of_work(read_only=True) as uow:
            grant = uow.grants.find_of_request(request.id)
        assert grant is not None
        return grant

    def session(self, grant: Grant, *, ends: bool = True) -> str:
        world = self.world
        offer = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
        gateway = gateways.find_gateway(world.lockbox, GATEWAY)
        gateways.start_session(
            world.lockbox, gateway, session_id=offer.id, grant_id=grant.id, front="browser", client_address="198.51.100.7",
            statement=world.start_of(offer, world.gateway_signer), log_size=0,
        )  # fmt: skip
        world.clock.advance(timedelta(minutes=5))
        if ends:
            gateways.end_session(
                world.lockbox, gateway, session_id=offer.id, at=world.clock.now, reason=EndReason.CLIENT_CLOSED,
                recording_sha256="cd" * 32, recording_bytes=4096, recording_chunks=2,
            )  # fmt: skip
        self.tell_time()
        return offer.id

    def whole_access(self) -> LockboxRequest:
        request = self.world.pending()
        self.session(self.approve(request))
        return request

    def tell_time(self) -> None:
        (self.directory / "clock").write_text(self.world.clock.now.isoformat(), encoding="ascii")

    # ---- what the customer does ----

    def lockbox(self, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, words, env={"LOCKBOX_TOKEN": self.token})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done.exit_code, done.output

    def mirror(self, name: str = "mirror") -> tuple[int, str]:
        return self.lockbox("log", "mirror", "--server", self.url, "--tenant", AMBERTIDE, str(self.home / name))

    def verify(self, name: str = "mirror", pin: str = "") -> tuple[int, str]:
        return self.lockbox("log", "verify", str(self.home / name), "--pin", pin or self.root)

    def find(self, code: str) -> None:
        """Mirror afresh and verify: something is wrong, and it has this name."""
        assert self.mirror()[0] == 0
        status, said = self.verify()
        assert (status, f"[{code}]" in said) == (1, True), said

    def evidence(self, request: LockboxRequest) -> Path:
        file = self.home / f"{request.id}.json"
        status, said = self.lockbox(
            *("evidence", "export", "--server", self.url, "--tenant", AMBERTIDE, "--output", str(file), request.id)
        )
        assert status == 0, said
        return file

    def tamper(self, sql: str, *values: object) -> None:
        """Change the database as its administrator can, triggers and all."""
        with closing(sqlite3.connect(self.directory / "lockbox.sqlite", timeout=10)) as database:
            for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f'DROP TRIGGER "{trigger}"')
            assert database.execute(sql, values).rowcount >= 1
            database.commit()

    def snapshot(self) -> sqlite3.Connection:
        kept = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(self.directory / "lockbox.sqlite")) as file:
            copy(file, kept)
        return kept

    def restore(self, kept: sqlite3.Connection) -> None:
        with closing(sqlite3.connect(self.directory / "lockbox.sqlite", timeout=10)) as file:
            copy(kept, file)

    def entry(self, code: str) -> Entry:
        with self.world.lockbox.database.unit_of_work(read_only=True) as uow:
            return uow.activity.entries(AMBERTIDE, EntryFilter(codes=frozenset({code})))[0]


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    source.backup(target)
    target.commit()


@pytest.fixture(scope="module")
def running(world, tmp_path_factory) -> Iterator[tuple[Customer, sqlite3.Connection]]:
    """Start the web process once; each test begins with the database and the time of the beginning."""
    directory = Path(world.lockbox.database.engine.url.database).parent
    ready = tmp_path_factory.mktemp("ready") / "ready.json"
    passkey = world.passkey("senna")
    world.passkey("idris")  # the gateway lets nobody in without
    made = Customer(world, directory, directory, "", world.token("rhea"), passkey)
    made.tell_time()
    made.roster()
    made.whole_access()
    with closing(sqlite3.connect(directory / "lockbox.sqlite")) as file:
        beginning = sqlite3.connect(":memory:")
        copy(file, beginning)
    arguments = (str(ready), f"sqlite:///{directory / 'lockbox.sqlite'}", str(directory), str(directory / "clock"))
    with subprocess.Popen([sys.executable, str(CHILD), *arguments]) as child, closing(beginning):
        try:
            until = time.monotonic() + DEADLINE
            while not ready.exists() and child.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            made.url = f"http://127.0.0.1:{json.loads(ready.read_text(encoding='utf-8'))['port']}"
            yield made, beginning
        finally:
            child.kill()


@pytest.fixture
def customer(running, tmp_path) -> Customer:
    made, beginning = running
    made.restore(beginning)
    made.world.clock.now = made.begin
    made.tell_time()
    return replace(made, home=tmp_path)


# ---- an honest provider ---------------------------------------------------------------------------------------------


def test_an_untouched_log_is_mirrored_and_verified_and_grows(customer):
    assert customer.mirror()[0] == 0
    status, said = customer.verify()
    assert status == 0, said
    assert "VERIFIED" in said
    assert "1 requests; 1 decisions signed, 0 not signed" in said
    customer.whole_access()
    assert customer.mirror()[0] == 0
    status, said = customer.verify()
    assert (status, "2 requests; 2 decisions signed" in said) == (0, True), said


def test_a_pin_file_holds_as_well_and_is_not_overwritten(customer):
    customer.mirror()
    pin = str(customer.home / "pin")
    made = ("log", "pin", "--tenant", AMBERTIDE, "--roster", customer.root, pin)
    assert customer.lockbox(*made)[0] == 0
    assert customer.verify(pin=pin)[0] == 0
    assert customer.lockbox(*made)[0] == 1
    status, said = customer.verify(pin="0" * 64)
    assert (status, "[roster_refused]" in said) == (1, True)


def test_evidence_is_exported_recorded_and_verified_offline(customer):
    request = customer.whole_access()
    file = customer.evidence(request)
    assert customer.entry("evidence.exported").event.subject == f"request:{request.id}"
    status, said = customer.lockbox("evidence", "verify", str(file), "--pin", customer.root)
    assert (status, "VERIFIED" in said) == (0, True), said
    again = customer.evidence(request)  # which holds the first export's entry too
    assert customer.lockbox("evidence", "verify", str(again), "--pin", customer.root)[0] == 0


def test_evidence_changed_is_named(customer):
    file = customer.evidence(customer.whole_access())
    document = json.loads(file.read_text("utf-8"))
    grant = next(sha for sha, body in document["documents"].items() if body.startswith("olbx1.grant"))
    document["documents"][grant] = document["documents"][grant][:-1] + "A"
    file.write_text(json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")), encoding="utf-8")
    status, said = customer.lockbox("evidence", "verify", str(file), "--pin", customer.root)
    assert (status, "[document_differs]" in said) == (1, True), said


def test_each_field_of_evidence_flipped_is_named(customer):
    document = json.loads(customer.evidence(customer.whole_access()).read_text("utf-8"))
    pin = Pin(roster_root=customer.root)
    assert verify_evidence(canonical_bytes(document).decode(), pin).holds
    unseen = [
        path
        for path in places(document)
        if verify_evidence(canonical_bytes(bent(document, path, flip)).decode(), pin).holds  # type: ignore[arg-type]  # a dict
    ]
    assert unseen == []


def test_evidence_on_a_request_that_waits_verifies_too(customer):
    file = customer.evidence(customer.world.pending())
    assert customer.lockbox("evidence", "verify", str(file), "--pin", customer.root)[0] == 0


def test_another_organizations_token_gets_neither_log_nor_evidence(customer):
    request = customer.world.pending()
    customer.token = customer.world.token("piet")
    status, said = customer.mirror()
    assert (status, "not found" in said) == (1, True)
    output = str(customer.home / "stolen.json")
    exported = ("evidence", "export", "--server", customer.url, "--output", output, "--tenant")
    for tenant in (AMBERTIDE, PELIMOOR):
        assert customer.lockbox(*exported, tenant, request.id)[0] == 1
    assert not Path(output).exists()


def test_a_witness_cosigns_and_the_roster_may_ask_for_it(customer):
    key = str(customer.home / "witness.key")
    (vkey,) = log_keys(customer.world.lockbox, AMBERTIDE)
    words = ("log", "witness", "--server", customer.url, "--tenant", AMBERTIDE, "--key", key, "--pin", vkey, "--once")
    status, said = customer.lockbox(*words)
    witness = said.splitlines()[0]
    assert status == 1  # it is on no roster yet, so the log does not take its word
    customer.roster(witnesses=(witness,), witness_quorum=1)
    customer.find("witness_missing")
    status, said = customer.lockbox(*words)
    assert (status, "cosigned" in said) == (0, True), said
    customer.mirror()
    status, said = customer.verify()
    assert (status, "cosigned by ambertide-witness" in said) == (0, True), said
    request = customer.whole_access()
    status, said = customer.lockbox("evidence", "verify", str(customer.evidence(request)), "--pin", customer.root)
    assert (status, "[witness_missing]" in said) == (1, True), said  # no witness has seen the access yet
    assert customer.lockbox(*words)[0] == 0
    status, said = customer.lockbox("evidence", "verify", str(customer.evidence(request)), "--pin", customer.root)
    assert (status, "cosigned by ambertide-witness" in said) == (0, True), said


# ---- a provider who tampers -----------------------------------------------------------------------------------------


def test_an_approval_inserted_by_the_control_plane_is_found(customer):
    request = customer.world.pending()
    document = signed_decision(DecisionDocument(statement=customer.statement(request), method="unsigned"))
    customer.forge("request.approved", f"request:{request.id}", document=document, digest=request.digest)
    customer.find("signature_required")


def test_an_approval_inserted_by_hand_in_the_database_is_found(customer):
    last = customer.entry("session.terminated")
    customer.tamper(
        "INSERT INTO activity_entry SELECT * FROM (SELECT * FROM activity_entry WHERE tenant_id = ? AND entry_index = ?) "
        "WHERE 1 ON CONFLICT DO UPDATE SET leaf = ?",
        AMBERTIDE, last.index, last.leaf.replace(b"session.terminated", b"request.approved"),
    )  # fmt: skip
    status, said = customer.mirror()
    assert (status, "root_differs" in said) == (1, True), said


def test_an_approval_with_a_swapped_signature_is_found(customer):
    request = customer.world.pending()
    text = customer.statement(request)
    key_id = signing_key_of(customer).key_id
    other = customer.passkey.sign_statement(text.replace("approve", "approve "))
    document = signed_decision(DecisionDocument(statement=text, method="passkey", key_id=key_id, signature=other))
    customer.forge("request.approved", f"request:{request.id}", document=document, digest=request.digest)
    customer.find("signature_wrong")


def test_an_approval_by_a_key_that_is_not_on_the_roster_is_found(customer):
    request = customer.world.pending()
    text = customer.statement(request)
    assert open_statement(text).by == "senna"
    stranger = SoftAuthenticator()
    document = signed_decision(
        DecisionDocument(statement=text, method="passkey", key_id="0" * 16, signature=stranger.sign_statement(text))
    )
    customer.forge("request.approved", f"request:{request.id}", document=document, digest=request.digest)
    customer.find("key_not_on_roster")


def signing_key_of(customer: Customer) -> SigningKey:
    with customer.world.lockbox.database.unit_of_work(read_only=True) as uow:
        (key,) = signing_keys(uow, PrincipalId("senna"))
    return key


def test_a_roster_changed_in_the_database_is_found(customer):
    sha256 = customer.entry("roster.changed").document_sha256
    customer.tamper("UPDATE log_document SET body = replace(body, 'senna', 'sanna') WHERE sha256 = ?", sha256)
    status, said = customer.mirror()
    assert (status, "document_differs" in said) == (1, True), said


def test_a_roster_without_the_customers_signature_is_found(customer):
    customer.roster(unsigned_decisions=True, signer=SoftAuthenticator())
    customer.find("roster_refused")


def test_an_entry_removed_is_found(customer):
    at = customer.entry("request.approved").index
    customer.tamper("DELETE FROM activity_entry WHERE tenant_id = ? AND entry_index = ?", AMBERTIDE, at)
    status, said = customer.mirror()
    assert (status, "entries_missing" in said) == (1, True), said


def test_an_entry_edited_is_found(customer):
    entry = customer.entry("session.started")
    customer.tamper(
        "UPDATE activity_entry SET leaf = ? WHERE tenant_id = ? AND entry_index = ?",
        entry.leaf.replace(b"idris", b"edris"), AMBERTIDE, entry.index,
    )  # fmt: skip
    status, said = customer.mirror()
    assert (status, "root_differs" in said) == (1, True), said


def test_a_personal_value_changed_is_found(customer):
    entry = customer.entry("session.started")
    opened = {"client_address": {"salt": entry.opened["client_address"].salt, "value": "203.0.113.1"}}
    customer.tamper(
        "UPDATE activity_entry SET opened = ? WHERE tenant_id = ? AND entry_index = ?",
        json.dumps(opened), AMBERTIDE, entry.index,
    )  # fmt: skip
    customer.find("personal_differs")


def test_a_personal_value_erased_is_told_and_nothing_is_wrong(customer):
    entry = customer.entry("session.started")
    assert isinstance(entry.opened["client_address"], OpenedField)
    with customer.world.lockbox.database.unit_of_work() as uow:
        uow.activity.erase(AMBERTIDE, entry.index, names=frozenset({"client_address"}))
        uow.activity.erase_document(AMBERTIDE, customer.entry("request.created").document_sha256)
        uow.commit()
    customer.mirror()
    customer.find("document_missing")
    status, said = customer.lockbox(
        "log", "verify", str(customer.home / "mirror"), "--pin", customer.root, "--allow-erased"
    )
    assert (status, "[personal_erased]" in said, "[document_erased]" in said) == (0, True, True), said


def test_a_session_whose_end_is_hidden_is_found(customer):
    customer.session(customer.approve(customer.world.pending()), ends=False)
    customer.mirror()
    mirror = customer.home / "mirror/mirror.json"
    late = json.loads(mirror.read_text()) | {"synced_at": (customer.world.clock.now + timedelta(hours=9)).isoformat()}
    mirror.write_text(json.dumps(late))  # as if the mirror had been made nine hours later
    status, said = customer.verify()
    assert (status, "[session_without_end]" in said) == (1, True), said


def test_a_session_that_only_the_control_plane_knows_of_is_found(customer):
    customer.forge("session.started", "session:SES-9", actor=f"gateway:{GATEWAY}", grant="GRT-9", engineer="idris")
    customer.find("session_without_grant")


def test_a_checkpoint_rolled_back_is_refused(customer):
    before = customer.snapshot()
    customer.whole_access()
    customer.mirror()
    customer.restore(before)
    status, said = customer.mirror()
    assert (status, "rolled_back" in said) == (1, True), said
    assert customer.verify()[0] == 0  # what was mirrored is kept


def test_a_split_view_is_refused_and_named(customer):
    before = customer.snapshot()
    customer.whole_access()
    customer.mirror()
    customer.restore(before)
    customer.whole_access()  # another history from there on
    customer.whole_access()
    status, said = customer.mirror()
    assert (status, "split_view" in said) == (1, True), said


def test_a_witness_does_not_cosign_another_history(customer):
    (vkey,) = log_keys(customer.world.lockbox, AMBERTIDE)
    key = str(customer.home / "witness.key")
    words = ("log", "witness", "--server", customer.url, "--tenant", AMBERTIDE, "--key", key, "--pin", vkey, "--once")
    before = customer.snapshot()
    customer.whole_access()
    customer.lockbox(*words)  # keeps what it saw before it hands its word in
    customer.restore(before)
    status, said = customer.lockbox(*words)
    assert (status, "rolled_back" in said) == (1, True), said
    customer.whole_access()
    customer.whole_access()
    status, said = customer.lockbox(*words)
    assert (status, "split_view" in said) == (1, True), said
