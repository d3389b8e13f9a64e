"""A gateway whose control plane is in an attacker's hands, provider keys included: it opens nothing and believes nothing.

The attacker signs what they like with the provider's own keys (GRANTS, REVOCATIONS, CHECKPOINTS), and lacks the customer's and the
engineer's keys.
"""

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from websockets.asyncio.client import connect

from openlockbox.gateway.enrolment import load_identity
from openlockbox.gateway.pins import Pins
from openlockbox.grants.encoding import b64url
from openlockbox.grants.pin import TenantPin
from openlockbox.grants.session_start import open_session_start
from tests.integration.gateway.core.conftest import LIMIT
from tests.unit.grants.log_material import NaiveLog, digest_of
from tests.unit.grants.material import (
    ADA,
    CHECKPOINTS,
    ENGINEER,
    GRANTS,
    ROSTER,
    STRANGER,
    TENANT,
    displayed,
    grant,
    requester_key,
    sign_statement,
    signed,
    signed_roster,
    statement,
    unsigned,
)


def pins_of(rig):
    return Pins(rig.settings.files.tenants, first_contact=False)


def approve(rig, *, key=None, approver=ADA, grant_id="gr-s", method=signed):
    """Have the approver's key sign, and a grant made and logged of it."""
    now = rig.now()
    at = now - timedelta(seconds=30)
    shown = displayed(at=now - timedelta(minutes=1), roster_version=1, key=key)
    text = statement(shown=shown, at=at, roster_version=1)
    decision = method(text) if method is unsigned else method(text, approver)
    rig.put(grant(shown=shown, decision=decision, grant_id=grant_id), at, timedelta(hours=1))


@pytest.fixture
async def strict(rig):
    """Run a gateway to which the customer's fingerprint was told; the engineer has a key."""
    rig.state.rosters = [signed_roster(ROSTER)]
    pins_of(rig).keep(TenantPin(tenant_id=TENANT, roster_root=digest_of(ROSTER)))
    rig.settings = replace(rig.settings, first_contact=False)
    approve(rig, key=requester_key())
    async with rig.running():
        yield rig


@contextlib.asynccontextmanager
async def presence_socket(rig, *, origin="http://portal.test"):
    url = f"ws://127.0.0.1:{rig.ports['browser_port']}/presence"
    async with asyncio.timeout(LIMIT):
        async with connect(url, origin=origin, proxy=None) as socket:
            yield socket


async def be_here(rig, token, key=ENGINEER):
    async with presence_socket(rig) as socket:
        await socket.send(json.dumps({"token": token}))
        asked = json.loads(await socket.recv())
        if "refused" in asked or asked["key"] is None:
            return asked if "refused" in asked else json.loads(await socket.recv())
        await socket.send(json.dumps({"signature": sign_statement(asked["statement"], key)}))
        return json.loads(await socket.recv())


async def test_a_signed_approval_and_the_engineers_key_open_a_session(strict):
    token = strict.token(grant_id="gr-s", jti="se-here")
    assert await be_here(strict, token) == {"ok": True}
    async with strict.browser(token) as socket:
        assert await socket.recv() == b"started"
    pin = pins_of(strict).find(TENANT)
    assert (pin.roster_version, pin.roster_digest) == (1, digest_of(ROSTER))
    assert pin.log_root == strict.state.log.root(pin.log_size).hex()
    assert pin.log_size == len(strict.state.log.leaves)


async def test_the_start_stands_in_the_log_in_the_gateways_own_signed_words(strict):
    token = strict.token(grant_id="gr-s", jti="se-words")
    await be_here(strict, token)
    async with strict.browser(token) as socket:
        assert await socket.recv() == b"started"
    signer = load_identity(strict.settings.files).signer
    said = open_session_start(strict.state.started["se-words"]["statement"], {signer.key_id: signer.public_key})
    assert (said.session_id, said.grant_id, said.tenant_id, said.front) == ("se-words", "gr-s", TENANT, "browser")


async def test_a_stolen_web_server_cannot_connect_as_the_engineer(strict):
    token = strict.token(grant_id="gr-s", jti="se-alone")
    assert await strict.refusal(token) == "refused presence_missing 403"
    await strict.told(lambda state: ("se-alone", "presence_missing") in state.refused)


@pytest.mark.parametrize("key", [GRANTS, ADA, STRANGER])
async def test_presence_by_another_key_is_refused_at_once_and_recorded(strict, key):
    token = strict.token(grant_id="gr-s", jti="se-other")
    assert await be_here(strict, token, key) == {"refused": "presence_wrong"}
    assert await strict.refusal(token) == "refused presence_missing 403"
    await strict.told(lambda state: ("se-other", "presence_wrong") in state.refused)


async def test_a_presence_counts_for_its_own_session_only(strict):
    assert await be_here(strict, strict.token(grant_id="gr-s", jti="se-one")) == {"ok": True}
    assert await strict.refusal(strict.token(grant_id="gr-s", jti="se-two")) == "refused presence_missing 403"


async def test_a_presence_counts_for_a_minute(strict):
    token = strict.token(grant_id="gr-s", jti="se-late")
    assert await be_here(strict, token) == {"ok": True}
    strict.monotonic_offset += 61
    await strict.leased()
    assert await strict.refusal(token) == "refused presence_missing 403"


async def test_an_engineer_without_a_key_is_let_through_where_no_roster_asks_for_one(gateway):
    assert await be_here(gateway, gateway.token()) == {"ok": True}


@pytest.mark.parametrize("message", ["", "[]", "{}", '{"token": 1}', "x" * 20_000])
async def test_a_malformed_presence_is_refused(strict, message):
    async with presence_socket(strict) as socket:
        await socket.send(message)
        assert json.loads(await socket.recv()) == {"refused": "presence_malformed"}


async def test_a_presence_with_a_forged_token_is_refused(strict):
    assert await be_here(strict, "olbx1.token.x.y.z") == {"refused": "token_malformed"}


async def test_a_decision_forged_with_the_providers_key_opens_nothing(strict):
    approve(strict, key=requester_key(), approver=GRANTS, grant_id="gr-f")
    assert await strict.refusal(strict.token(grant_id="gr-f")) == "refused key_not_on_roster 403"


async def test_an_unsigned_decision_opens_nothing_where_the_roster_asks_for_signatures(strict):
    approve(strict, key=requester_key(), method=unsigned, grant_id="gr-u")
    assert await strict.refusal(strict.token(grant_id="gr-u")) == "refused signature_required 403"


async def test_hiding_the_roster_opens_nothing(strict):
    strict.state.rosters = []
    strict.grant("gr-n")  # as for a tenant that has none
    assert await strict.refusal(strict.token(grant_id="gr-n")) == "refused roster_rolled_back 403"


async def test_the_providers_own_roster_opens_nothing(strict):
    from tests.unit.grants.material import roster, roster_key

    strict.state.rosters = [signed_roster(roster(roster_key(GRANTS, "principal-ada")), GRANTS)]
    approve(strict, key=requester_key(), approver=GRANTS, grant_id="gr-p")
    assert await strict.refusal(strict.token(grant_id="gr-p")) == "refused roster_forked 403"


async def test_a_removal_that_was_seen_is_not_forgotten_because_it_refused_the_connection(strict):
    from tests.unit.grants.material import BEA, roster, roster_key

    both = roster(roster_key(ADA, "principal-ada"), roster_key(BEA, "principal-bea"))
    without_ada = roster(roster_key(BEA, "principal-bea"), version=2, previous=both)
    (file,) = strict.settings.files.tenants.glob("*.json")
    file.unlink()
    pins_of(strict).keep(TenantPin(tenant_id=TENANT, roster_root=digest_of(both)))
    strict.state.rosters = [signed_roster(both), signed_roster(without_ada, BEA)]
    assert await strict.refusal(strict.token(grant_id="gr-s")) == "refused key_not_on_roster 403"
    strict.state.rosters = strict.state.rosters[:1]
    assert await strict.refusal(strict.token(grant_id="gr-s")) == "refused roster_rolled_back 403"


async def test_a_tenant_that_nobody_pinned_is_refused(rig):
    rig.settings = replace(rig.settings, first_contact=False)
    async with rig.running():
        assert await rig.refusal(rig.token()) == "refused tenant_not_pinned 403"
        pins_of(rig).keep(TenantPin(tenant_id=TENANT))  # `lockbox gateway trust` while it runs
        async with rig.browser(rig.token()) as socket:
            assert await socket.recv() == b"started"


async def test_a_damaged_pin_refuses(rig):
    async with rig.running():
        async with rig.browser(rig.token()) as socket:
            assert await socket.recv() == b"started"
        (file,) = rig.settings.files.tenants.glob("*.json")
        file.write_text("{}")
        assert await rig.refusal(rig.token()) == "refused pin_unusable 503"


def hide(answer):
    """Answer with another entry of the same log, as if the start were in it."""
    return answer | {"index": 0}


def other_leaf(answer):
    return answer | {"leaf": b64url(b"{}")}


def unproved(answer):
    return answer | {"inclusion": [], "consistency": []}


def short(answer):
    return {name: answer[name] for name in ("session_id", "state")}


@pytest.mark.parametrize(
    "spoil, code",
    [
        (hide, "start_not_logged 403"),
        (other_leaf, "start_not_logged 403"),
        (unproved, "inclusion_wrong 403"),
        (short, "session_not_recorded 503"),
        (lambda _: {}, "session_not_recorded 503"),
    ],
)
async def test_a_start_that_the_log_does_not_prove_does_not_happen(gateway, spoil, code):
    gateway.state.spoil = spoil
    token = gateway.token(jti="se-hidden")
    assert await gateway.refusal(token) == f"refused {code}"
    await gateway.told(lambda state: "se-hidden" in state.ended)
    assert load_identity(gateway.settings.files).gateway_id  # the state directory is whole


async def test_a_log_that_loses_entries_is_noticed_also_after_a_restart(rig):
    async with rig.running(), rig.browser(rig.token()) as socket:
        assert await socket.recv() == b"started"
    rig.state.log.leaves.pop()  # the session's start disappears
    async with rig.running():
        assert await rig.refusal(rig.token()) == "refused log_rolled_back 403"


async def test_a_log_that_was_rewritten_is_noticed(rig):
    async with rig.running():
        async with rig.browser(rig.token()) as socket:
            assert await socket.recv() == b"started"
        rewritten = NaiveLog(TENANT)
        rewritten.append("request.created", "request:another", at=rig.now())
        rewritten.leaves.extend(rig.state.log.leaves)
        rig.state.log = rewritten
        rig.grant("gr-2")
        assert await rig.refusal(rig.token(grant_id="gr-2")) == "refused log_forked 403"


async def test_a_checkpoint_by_another_key_is_refused(gateway):
    gateway.state.spoil = lambda answer: (
        answer | {"checkpoint": gateway.state.log.checkpoint(STRANGER, answer["index"] + 1)}
    )
    assert await gateway.refusal(gateway.token()) == "refused checkpoint_wrong 403"


async def test_ten_starts_at_once_all_find_their_place_in_the_log(rig):
    rig.settings = replace(rig.settings, max_sessions_per_grant=10)
    async with rig.running():

        async def use():
            async with rig.browser(rig.token()) as socket:
                return await socket.recv()

        assert await asyncio.gather(*(use() for _ in range(10))) == [b"started"] * 10
        assert pins_of(rig).find(TENANT).log_size == len(rig.state.log.leaves)
        assert CHECKPOINTS.key_id in load_identity(rig.settings.files).trust.checkpoint_keys
