"""The caller: who they are, and their personal tokens. Tokens are made in the portal only, where a second factor was given."""

from litestar import get, post
from litestar.params import FromPath

from openlockbox.services import accounts, views
from openlockbox.web.api import documents as d
from openlockbox.web.api import rendering
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
