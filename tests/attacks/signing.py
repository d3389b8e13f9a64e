"""A tenant with a roster, and decisions signed by a passkey on it: what the attacks on signatures start from."""

from typing import NamedTuple

from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.grants.assertion import name_key
from openlockbox.grants.roster import SignedBy, signed_roster_text
from openlockbox.services import decisions, roster
from openlockbox.services.statements import Choice, Signed, prepare
from openlockbox.testing.authenticator import SoftAuthenticator
from tests.world import AMBERTIDE, World


def change_roster(world: World, change: roster.Change, by: str, key: SoftAuthenticator, *, code: str = "") -> None:
    """Propose a version, sign it with this key, and hand it in."""
    caller = world.caller(by)
    text = roster.propose(world.lockbox, caller, tenant_id=AMBERTIDE, change=change).text
    signed = signed_roster_text(text, [SignedBy(name_key(key.spki), key.sign_statement(text))])
    roster.submit(world.lockbox, caller, tenant_id=AMBERTIDE, signed=signed, code=code)


class Keys(NamedTuple):
    """The telephones of Senna, who approves, and of Idris, who connects."""

    senna: SoftAuthenticator
    idris: SoftAuthenticator


def begin_roster(world: World) -> Keys:
    """Put Senna's passkey on the customer's first roster: from now on unsigned decisions count no more."""
    keys = Keys(world.passkey("senna"), world.passkey("idris"))
    code = roster.issue_code(world.lockbox, tenant_id=AMBERTIDE)
    change_roster(world, adding(keys.senna), "senna", keys.senna, code=code)
    return keys


def adding(key: SoftAuthenticator) -> roster.Change:
    """Return the change that puts a key on the roster."""
    return roster.Change(add=frozenset({name_key(key.spki)}))


def sign(world: World, request: LockboxRequest, key: SoftAuthenticator, by: str = "senna") -> Signed:
    """Sign an approval of all that was asked."""
    given = prepare(
        world.lockbox,
        world.caller(by),
        request_id=request.id,
        digest=request.digest,
        choice=Choice(answer="approve"),
    )
    return Signed(statement=given.statement, signature=key.sign_statement(given.statement))


def approve_signed(world: World, request: LockboxRequest, signed: Signed, by: str = "senna") -> LockboxRequest:
    """Hand a signed approval in."""
    return decisions.approve_signed(world.lockbox, world.caller(by), request_id=request.id, signed=signed)
