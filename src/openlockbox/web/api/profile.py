"""The caller: who they are, and their personal tokens. Tokens are made in the portal only, where a second factor was given."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from openlockbox.services import accounts, passkeys, views
from openlockbox.services.passkey_ports import AutomationKey
from openlockbox.web.api import documents as d
from openlockbox.web.api import rendering
from openlockbox.web.api.bodies import SigningKeyBody
from openlockbox.web.api.callers import CallerArgument, LockboxArgument


@get("/me", sync_to_thread=True)
def read_me(lockbox: LockboxArgument, caller: CallerArgument) -> d.MeDocument:
    """Return who the caller is, which organizations they may read, and what waits for them."""
    me = views.me(lockbox, caller)
    return d.MeDocument(
        person=rendering.person(me.principal),
        mail=me.principal.mail,
        roles=sorted(r.value for r in me.roles),
        provider=rendering.tenant(me.provider),
        tenants=[rendering.tenant(t) for t in me.tenants],
        readable=sorted(me.readable),
        administered=sorted(me.administered),
        waiting={str(t): n for t, n in me.waiting.items()},
        reviews=me.reviews,
        scopes=sorted(caller.scopes or ()),
    )


@get("/tokens", sync_to_thread=True)
def list_tokens(lockbox: LockboxArgument, caller: CallerArgument) -> list[d.TokenDocument]:
    """Return the caller's personal tokens, newest first, without their secrets."""
    return [
        d.TokenDocument(
            id=t.id,
            name=t.name,
            scopes=sorted(t.scopes),
            created_at=t.created_at,
            ends_at=t.ends_at,
            revoked_at=t.revoked_at,
        )
        for t in accounts.tokens(lockbox, caller)
    ]


@post("/tokens/{token_id:str}/revoke", sync_to_thread=True, status_code=204)
def revoke_token(lockbox: LockboxArgument, caller: CallerArgument, token_id: FromPath[str]) -> None:
    """Revoke one of the caller's personal tokens."""
    accounts.revoke_token(lockbox, caller, token_id=token_id)


@get("/signing-keys", sync_to_thread=True)
def list_signing_keys(lockbox: LockboxArgument, caller: CallerArgument) -> list[d.SigningKeyDocument]:
    """Return the keys that the caller signs with, passkeys first, oldest first."""
    return [
        d.SigningKeyDocument(
            key_id=p.key_id,
            kind="passkey",
            public_key=p.public_key_spki,
            name=p.name,
            created_at=p.created_at,
            last_used_at=p.last_used_at,
        )
        for p in passkeys.mine(lockbox, caller)
    ] + [_automation_key(k) for k in passkeys.my_automation_keys(lockbox, caller)]


def _automation_key(key: AutomationKey) -> d.SigningKeyDocument:
    return d.SigningKeyDocument(
        key_id=key.key_id,
        kind="ed25519",
        public_key=key.public_key,
        name=key.name,
        created_at=key.created_at,
        last_used_at=None,
    )


@post("/signing-keys", sync_to_thread=True)
def add_signing_key(
    lockbox: LockboxArgument, caller: CallerArgument, data: JSONBody[SigningKeyBody]
) -> d.SigningKeyDocument:
    """Add a key of an automation. It counts for nothing before the organization's roster lists it."""
    added = passkeys.add_automation_key(lockbox, caller, name=data.name, public_key=data.public_key, proof=data.proof)
    return _automation_key(added)


@post("/signing-keys/{key_id:str}/remove", sync_to_thread=True, status_code=204)
def remove_signing_key(lockbox: LockboxArgument, caller: CallerArgument, key_id: FromPath[str]) -> None:
    """Take a key of an automation off the account for good. Passkeys are removed in the portal."""
    passkeys.remove_automation_key(lockbox, caller, key_id=key_id)
