"""Row 18: each message of an authentication has its negative test: CredSSP towards the machine, presence, the TOTP step."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from openlockbox.gateway.admission import Proofs
from openlockbox.gateway.contract import Credential
from openlockbox.gateway.rdp import negotiation
from openlockbox.gateway.rdp.credssp import CredSspClient, _TSRequest
from openlockbox.gateway.rdp.ends import MalformedPdu, TargetCertificateMismatch, TargetSignInRefused
from openlockbox.gateway.rdp.negotiation import Security
from openlockbox.gateway.rdp.target import open_target
from openlockbox.grants.presence import PresenceProof
from tests.integration.gateway.rdp.fakes import fake_target, server_context, tcp_target
from tests.integration.gateway.rdp.test_bad_peers import leaves, tls_target
from tests.unit.gateway.rdp.test_wire import SELF_SIGNED
from tests.unit.gateway.stage import Stage

ACCOUNT = Credential(username="vm-admin", password="p", domain="")


class Sealing:
    """NTLM as far as its sealing matters here: what the target says comes out of `unwrap` as it was put in."""

    def __init__(self, shown: bytes) -> None:
        self.data = shown

    def unwrap(self, _data: bytes) -> "Sealing":
        return self

    def wrap(self, data: bytes) -> "Sealing":
        return Sealing(data)


def made(**fields: object) -> bytes:
    return bytes(_TSRequest({"version": 6, **fields}).dump())


def client(shown: bytes | None = None) -> CredSspClient:
    client = CredSspClient(ACCOUNT, hostname="vm", certificate=SELF_SIGNED)
    if shown is not None:
        client._context = Sealing(shown)
    return client


@pytest.mark.parametrize(
    "reply",
    [
        made(),
        made(errorCode=5),
        made(negoTokens=[]),
        made(negoTokens=[{"negoToken": b"x"}] * 2),
        made(negoTokens=[{"negoToken": b"not ntlm"}]),
        bytes(_TSRequest({"version": 4, "negoTokens": [{"negoToken": b"x"}]}).dump()),
        b"\x30\x03abc",
    ],
)
def test_the_second_message_is_answered_with_a_token_only(reply: bytes) -> None:
    asked = client()
    asked.negotiate()
    with pytest.raises((MalformedPdu, TargetSignInRefused)):
        asked.authenticate(reply)


def test_the_account_is_handed_to_whoever_proves_the_key_of_the_connection() -> None:
    right = client()._nonce  # another client's: only the own nonce counts
    asked = client(b"")
    asked._context = Sealing(asked._binding(b"CredSSP Server-To-Client Binding Hash\0"))
    assert b"p\0" in asked.delegate(made(pubKeyAuth=b"sealed"))
    assert right != asked._nonce


@pytest.mark.parametrize(
    "shown",
    [
        b"",
        bytes(32),
        CredSspClient(ACCOUNT, hostname="vm", certificate=SELF_SIGNED)._binding(
            b"CredSSP Server-To-Client Binding Hash\0"
        ),
    ],
    ids=["nothing", "zeros", "of another connection"],
)
def test_the_account_is_not_handed_to_a_machine_in_the_middle(shown: bytes) -> None:
    with pytest.raises(TargetSignInRefused):
        client(shown).delegate(made(pubKeyAuth=b"sealed"))


def test_the_clients_own_binding_sent_back_proves_nothing() -> None:
    asked = client(b"")
    asked._context = Sealing(asked._binding(b"CredSSP Client-To-Server Binding Hash\0"))
    with pytest.raises(TargetSignInRefused):
        asked.delegate(made(pubKeyAuth=b"sealed"))


@pytest.mark.parametrize("change", [{"version": 4}, {"version": 2}, {"errorCode": 5}])
def test_no_account_for_an_old_version_or_after_an_error(change: dict[str, object]) -> None:
    asked = client(b"")
    asked._context = Sealing(asked._binding(b"CredSSP Server-To-Client Binding Hash\0"))
    with pytest.raises(TargetSignInRefused):
        asked.delegate(bytes(_TSRequest({"version": 6, "pubKeyAuth": b"sealed", **change}).dump()))


def test_no_account_without_a_proof_of_the_key() -> None:
    asked = client(b"")
    asked._context = Sealing(asked._binding(b"CredSSP Server-To-Client Binding Hash\0"))
    with pytest.raises(TargetSignInRefused):
        asked.delegate(made())


def test_a_presence_counts_for_a_minute_by_the_gateways_own_clock(stage: Stage) -> None:
    proofs = Proofs(stage.clocks)
    proofs.keep("se-1", PresenceProof(statement="{}", signature="x"))
    stage.hand.seconds += 59.9
    assert proofs.find("se-1") is not None
    assert proofs.find("se-2") is None
    stage.hand.seconds += 0.1
    assert proofs.find("se-1") is None


async def dial(machine: Callable[..., Awaitable[None]], *, pin: str, security: str) -> None:
    async with tcp_target(machine) as (port, _seen):
        leg = await open_target(fake_target(port, pin=pin, security=security), ACCOUNT)
        leg.stream.abort()


async def test_a_machine_with_another_certificate_gets_no_account(tmp_path: Path) -> None:
    context, pin = server_context(tmp_path)
    await dial(tls_target(context, leaves), pin=pin, security="tls")
    with pytest.raises(TargetCertificateMismatch):
        await dial(tls_target(context, leaves), pin="0" * 64, security="tls")


async def test_a_machine_that_answers_with_weaker_security_than_the_grants_gets_no_account() -> None:
    async def machine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(negotiation.connection_confirm(Security.TLS))
        await writer.drain()

    with pytest.raises(TargetSignInRefused):
        await dial(machine, pin="0" * 64, security="nla")
