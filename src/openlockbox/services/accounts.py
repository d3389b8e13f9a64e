"""Sign in and out, personal tokens, one's own profile. The one door is the SignInMethod port; nothing here knows passwords."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import available_timezones

from openlockbox.domain.errors import InvalidInput, LockboxError, NotFound, SignInFailed, Throttled
from openlockbox.domain.events import Event
from openlockbox.domain.ids import NOBODY, ActorId, CorrelationId, PrincipalId, principal_actor
from openlockbox.domain.principal import Principal, PrincipalState
from openlockbox.services.ports import PersonalToken, Presented, SignIn, UnitOfWork
from openlockbox.services.service_requests import clean
from openlockbox.services.step_up import check_stepped_up
from openlockbox.services.work import Caller, Lockbox, Work, command, find_holder, query

SIGN_IN_TIME: Final = timedelta(hours=12)  # one working day; JIT rules want a second factor no older than that anyway
IDLE_TIME: Final = timedelta(hours=2)
TOUCH_EVERY: Final = timedelta(minutes=1)  # a write a minute, not a write a page
TOKEN_TIME: Final = timedelta(days=90)
THROTTLED_WINDOW: Final = timedelta(minutes=15)
UNKNOWN_NAME_WINDOW: Final = timedelta(minutes=1)  # sign-in failures of unknown names are logged once a minute, counted
# "profile.write" is no scope of a token: tokens are made, and profiles changed, in the portal only.
SCOPES: Final = (
    "profile.read",
    "tokens.revoke",
    "signing_keys.write",
    "service_requests.read",
    "service_requests.write",
    "elevation.request",
    "elevation.review",
    "requests.read",
    "requests.decide",
    "roster.write",
    "grants.read",
    "grants.connect",
    "grants.revoke",
    "locks.lift",
    "activity.read",
    "tenant.administer",
)
LANGUAGES: Final = ("en", "ja")


def secret_digest(secret: str) -> str:
    """Return what is stored of a 256-bit random secret: its SHA-256. Not for passwords."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NewSignIn:
    """A fresh sign-in with the secret for the cookie."""

    secret: str
    principal: Principal


def sign_in(lockbox: Lockbox, presented: Presented) -> NewSignIn:
    """Sign a person in by the installation's method. Success and failure are both recorded.

    Raises:
        SignInFailed, Throttled: see `SignInMethod`.
    """
    now = lockbox.clock()
    try:
        with lockbox.database.unit_of_work() as uow:
            lockbox.sign_in.check_throttle(uow, presented, now=now)
            uow.commit()  # counted, whatever happens next
        with lockbox.database.unit_of_work(read_only=True) as uow:
            accept = lockbox.sign_in.examine(uow, presented, now=now)
        with lockbox.database.unit_of_work() as uow:
            principal = accept(uow)
            made = begin_sign_in(lockbox, uow, principal, now=now, method="totp")
            uow.commit()
    except (SignInFailed, Throttled) as refusal:
        record_failure(lockbox, presented, refusal)
        raise
    return made


def begin_sign_in(lockbox: Lockbox, uow: UnitOfWork, principal: Principal, *, now: datetime, method: str) -> NewSignIn:
    """Make and record a sign-in of somebody who showed all that is asked. The caller commits."""
    secret = lockbox.new_secret()
    uow.identity.add_sign_in(
        SignIn(
            token_sha256=secret_digest(secret),
            principal_id=principal.id,
            mfa_at=now,
            created_at=now,
            last_seen_at=now,
            ends_at=now + SIGN_IN_TIME,
        )
    )
    uow.activity.append(_account_event("sign_in.succeeded", principal, method=method), at=now)
    return NewSignIn(secret=secret, principal=principal)


def record_failure(lockbox: Lockbox, presented: Presented, refusal: LockboxError) -> None:
    """Record that somebody did not get in: in the person's log, or once a minute in the provider's for unknown names."""
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        known = uow.principals.find_by_mail(presented.mail)
        if isinstance(refusal, Throttled):
            # Once a window: a stranger must not be able to grow a customer's log without limit.
            name = secret_digest("throttled:" + presented.mail.strip().lower())
            if uow.identity.count_attempt(name, at=now, window=THROTTLED_WINDOW) > 1:
                uow.commit()
                return
        if known is not None:
            event = _account_event("sign_in.failed", known, code=refusal.code, source=presented.source)
            uow.activity.append(replace(event, actor=NOBODY), at=now)
        elif uow.identity.count_attempt("unknown-names", at=now, window=UNKNOWN_NAME_WINDOW) == 1:
            provider = uow.tenants.provider()
            uow.activity.append(
                Event(
                    code="sign_in.failed",
                    tenant_id=provider.id,
                    actor=NOBODY,
                    subject="unknown names",
                    correlation_id=CorrelationId("sign-in"),
                    detail={"code": refusal.code},
                ),
                at=now,
            )
        uow.commit()


def _account_event(action: str, principal: Principal, source: str = "", **detail: str) -> Event:
    return Event(
        code=action,
        tenant_id=principal.tenant_id,
        actor=principal_actor(principal.id),
        subject=f"principal:{principal.id}",
        correlation_id=CorrelationId(principal.id),
        detail=detail,
        personal={"actor_name": principal.name} | ({"source": source} if source else {}),
    )


def find_caller(lockbox: Lockbox, secret: str) -> tuple[Caller, Principal] | None:
    """Resolve a cookie's secret; None for an unknown, ended or idle sign-in or a disabled person."""
    now = lockbox.clock()
    digest = secret_digest(secret)
    with lockbox.database.unit_of_work(read_only=True) as uow:
        found = uow.identity.find_sign_in(digest)
        if found is None or now >= found.ends_at or now - found.last_seen_at >= IDLE_TIME:
            return None
        try:
            principal = uow.principals.get(found.principal_id)
        except NotFound:
            return None
    if principal.state is not PrincipalState.ACTIVE:
        return None
    if now - found.last_seen_at >= TOUCH_EVERY:
        with lockbox.database.unit_of_work() as uow:
            uow.identity.touch_sign_in(digest, at=now)
            uow.commit()
    return Caller(principal_id=principal.id, mfa_at=found.mfa_at), principal


def sign_out(lockbox: Lockbox, caller: Caller, secret: str) -> None:
    """End a sign-in. Idempotent."""
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        uow.identity.remove_sign_in(secret_digest(secret))
        uow.activity.append(_account_event("sign_in.ended", uow.principals.get(caller.principal_id)), at=now)
        uow.commit()


def find_token_caller(lockbox: Lockbox, secret: str) -> Caller | None:
    """Resolve a personal token; None for an unknown, ended or revoked one."""
    with lockbox.database.unit_of_work(read_only=True) as uow:
        return find_holder(uow, secret_digest(secret), now=lockbox.clock())


@command("token.create", scope="profile.write")
def create_token(work: Work, *, name: str, scopes: frozenset[str]) -> tuple[PersonalToken, str]:
    """Make a personal token and return it with its secret, shown once. It carries the second factor of the sign-in.

    Raises:
        InvalidInput: no name, an unknown scope, or none.
        StepUpRequired: the second factor is older than ten minutes.
    """
    check_stepped_up(work)
    if not scopes or not scopes <= set(SCOPES):
        raise InvalidInput(field="scopes", problem="there is none, or one that does not exist")
    if work.caller.mfa_at is None:
        raise InvalidInput(field="mfa", problem="a second factor is needed")
    secret = f"olbx_{work.lockbox.new_secret()}"
    token = PersonalToken(
        id=work.lockbox.new_id("TOK"),
        token_sha256=secret_digest(secret),
        principal_id=work.principal.id,
        name=clean("name", name, at_most=60),
        scopes=scopes,
        mfa_at=work.caller.mfa_at,
        created_at=work.now,
        ends_at=work.now + TOKEN_TIME,
    )
    work.uow.identity.add_token(token)
    work.record("token.created", subject=f"token:{token.id}", detail={"scopes": ",".join(sorted(scopes))})
    return token, secret


@command("token.revoke", scope="tokens.revoke")
def revoke_token(work: Work, *, token_id: str) -> None:
    """Revoke one's own token.

    Raises:
        NotFound: not the caller's.
    """
    work.uow.identity.revoke_token(token_id, work.principal.id, at=work.now)
    work.record("token.revoked", subject=f"token:{token_id}")


@query("profile.read", scope="profile.read")
def tokens(work: Work) -> tuple[PersonalToken, ...]:
    """Return one's own tokens, newest first."""
    return tuple(work.uow.identity.tokens(work.principal.id))


@command("profile.change", scope="profile.write")
def change_profile(work: Work, *, language: str, time_zone: str) -> Principal:
    """Choose language ("" for the browser's) and IANA time zone.

    Raises:
        InvalidInput: neither a language that the portal speaks nor a known zone.
    """
    if language not in {"", *LANGUAGES}:
        raise InvalidInput(field="language", problem="the portal does not speak it")
    if time_zone not in available_timezones():
        raise InvalidInput(field="time_zone", problem="there is no such zone")
    changed = replace(work.principal, language=language, time_zone=time_zone)
    work.uow.principals.save(changed)
    work.record("principal.changed", detail={"language": language, "time_zone": time_zone})
    return changed


def enrol_locally(lockbox: Lockbox, principal_id: PrincipalId, *, password: str, actor: ActorId) -> str:
    """Set a person's password and second factor and return the otpauth:// URI, shown once. For the operator's console.

    All sign-ins and personal tokens of that person end.

    Raises:
        NotFound, InvalidInput: no such person; the password is too short.
    """
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        principal = uow.principals.get(principal_id)
        uri = lockbox.sign_in.enrol(uow, principal, password=password)
        uow.identity.revoke_tokens_of(principal.id, at=now)  # whoever got hold of one is out too
        event = _account_event("credential.set", principal)
        uow.activity.append(replace(event, actor=actor, personal={}), at=now)
        uow.commit()
    return uri
