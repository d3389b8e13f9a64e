"""Real processes, a customer with a roster, and a database that somebody edits by hand: the gateway opens nothing."""

import asyncio
import contextlib
import json
import sqlite3

import pytest
from websockets.asyncio.client import connect

from openlockbox.domain.ids import PrincipalId, TenantId
from openlockbox.grants.assertion import name_key
from openlockbox.grants.roster import SignedBy, signed_roster_text
from openlockbox.grants.statement import digest
from openlockbox.services import decisions, lockbox_requests, passkeys, roster, statements
from openlockbox.services.work import Caller
from openlockbox.testing.authenticator import SoftAuthenticator
from tests.e2e import gateway_client
from tests.e2e.browser import END_TO_END
from tests.e2e.cast import AMBERTIDE, PRESS
from tests.e2e.steps import open_case, pending, request
from tests.e2e.system import running_system, until

pytestmark = END_TO_END
LIMIT = 20


class Strict:
    """A running system whose first customer has a roster with Senna's passkey, told to the gateway by its fingerprint."""

    def __init__(self, system):
        self.system = system
        self.senna, self.idris = (self._passkey(name) for name in ("senna", "idris"))
        code = roster.issue_code(system.lockbox, tenant_id=TenantId(AMBERTIDE))
        change = roster.Change(add=frozenset({name_key(self.senna.spki)}))
        text = roster.propose(system.lockbox, self.caller("senna"), tenant_id=TenantId(AMBERTIDE), change=change).text
        signed = signed_roster_text(text, [SignedBy(name_key(self.senna.spki), self.senna.sign_statement(text))])
        roster.submit(system.lockbox, self.caller("senna"), tenant_id=TenantId(AMBERTIDE), signed=signed, code=code)
        system.command("gateway", "trust", AMBERTIDE, "--roster", digest(text))

    def caller(self, name):
        return Caller(principal_id=PrincipalId(name), mfa_at=self.system.clock())

    def _passkey(self, name):
        authenticator = SoftAuthenticator(origin=self.system.base_url)
        options = passkeys.begin_enrolment(self.system.lockbox, self.caller(name))
        response = authenticator.create(options)
        passkeys.finish_enrolment(self.system.lockbox, self.caller(name), name="Telephone", response=response)
        return authenticator

    def granted(self):
        """Have Senna sign, and return the id of the grant."""
        asked = pending(self.system, open_case(self.system, resource=PRESS))
        choice = statements.Choice(answer="approve")
        about = {"request_id": asked["id"], "digest": asked["digest"], "choice": choice}
        text = statements.prepare(self.system.lockbox, self.caller("senna"), **about).statement
        signed = statements.Signed(statement=text, signature=self.senna.sign_statement(text))
        decisions.approve_signed(self.system.lockbox, self.caller("senna"), request_id=asked["id"], signed=signed)
        return request(self.system, asked["id"])["grant"]["id"]

    def offer(self, grant_id):
        return self.system.people["idris"].post(f"/grants/{grant_id}/connect", front="browser")

    async def be_here(self, token):
        address = f"ws://127.0.0.1:{self.system.browser_port}/presence"
        async with asyncio.timeout(LIMIT), connect(address, origin=self.system.base_url, proxy=None) as socket:
            await socket.send(json.dumps({"token": token}))
            asked = json.loads(await socket.recv())
            await socket.send(json.dumps({"signature": self.idris.sign_statement(asked["statement"])}))
            assert json.loads(await socket.recv()) == {"ok": True}

    async def refusal(self, grant_id):
        """Connect with the engineer present, and return the code that the gateway reports."""
        offer = self.offer(grant_id)
        with contextlib.suppress(KeyError):  # it refuses before it asks
            await self.be_here(offer["token"])
        assert await gateway_client.refusal(self.system, offer["token"]) == 403
        wanted = {"code": "session.connect.refused", "subject": f"session:{offer['session_id']}"}
        return until(lambda: self.system.entries(**wanted), "refusal")[0].event.detail["code"]

    def edit(self, table, statement, *values):
        """Edit a table as somebody who has the database file: past its triggers."""
        file = self.system.settings.database.url.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(file, timeout=LIMIT)) as database, database:
            triggers = database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
            ).fetchall()
            for (name,) in triggers:
                database.execute(f'DROP TRIGGER "{name}"')
            assert database.execute(statement, values).rowcount > 0


@pytest.fixture
def strict(desktops, tmp_path):
    with running_system(tmp_path, desktops) as system:
        for name in ("idris", "senna", "bram"):
            system.people[name].sign_in()
        yield Strict(system)


async def test_an_edited_database_opens_nothing(strict, monkeypatch):
    system = strict.system
    grant_id = strict.granted()
    offer = strict.offer(grant_id)
    await strict.be_here(offer["token"])
    async with gateway_client.session(system, offer["token"]):
        until(lambda: system.entries(code="session.started"), "session")

    # An approval written by hand: web and worker believe the database, and sign a grant.
    asked = pending(system, open_case(system, resource=PRESS))
    monkeypatch.setattr(statements, "is_strict", lambda _: False)
    monkeypatch.setattr(lockbox_requests, "is_strict", lambda _: False)
    decisions.approve(
        system.lockbox,
        strict.caller("senna"),
        request_id=asked["id"],
        digest=asked["digest"],
        granted_duration=None,
        reason="",
    )
    forged = request(system, asked["id"])["grant"]["id"]
    assert await strict.refusal(forged) == "signature_required"

    # A roster that says that anybody may decide.
    row = "UPDATE roster SET signed_text = replace(signed_text, ?, ?) WHERE tenant_id = ?"
    lenient = ('\\"unsigned_decisions\\":false', '\\"unsigned_decisions\\":true', AMBERTIDE)
    strict.edit("roster", row, *lenient)
    assert await strict.refusal(forged) == "roster_forked"
    strict.edit("roster", row, lenient[1], lenient[0], AMBERTIDE)

    # An old entry of the log rewritten: the approval that was signed no longer stands where it stood.
    other = strict.granted()
    strict.edit(
        "activity_entry",
        "UPDATE activity_entry SET leaf_hash = ? WHERE tenant_id = ? AND entry_index = 0",
        b"\x00" * 32,
        AMBERTIDE,
    )
    assert await strict.refusal(other) in {"inclusion_wrong", "log_forked"}
