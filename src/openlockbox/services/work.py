"""How a use case runs: who calls, in one transaction, and with every refusal written down. Knows no use case.

A command that raises has rolled back. Its refusal is then appended in a transaction of its own and raised again; if even
that fails, the answer is RecordUnavailable (HTTP 503), never a silent "no".
"""

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Concatenate, Final, ParamSpec, TypeVar

from openlockbox.connectors.registry import Registry
from openlockbox.domain.errors import (
    ConcurrentUpdate,
    LockboxError,
    NotFound,
    NotSignedIn,
    RecordUnavailable,
    ScopeMissing,
)
from openlockbox.domain.events import Event
from openlockbox.domain.ids import ActorId, CorrelationId, PrincipalId, ResourceId, TenantId, principal_actor
from openlockbox.domain.lockbox_request import ACCESS_DURATION, CUSTOMER_QUEUE_TIME
from openlockbox.domain.principal import Principal, PrincipalState, Roles
from openlockbox.domain.resource import Resource
from openlockbox.services.passkey_ports import Passkeys
from openlockbox.services.ports import Database, Keys, PolicyEngine, SignInMethod, UnitOfWork

log = logging.getLogger(__name__)

TRIES: Final = 3  # a command that met a concurrent change runs again on what is there now


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings that the use cases read. Both times are kept per request when it is made."""

    base_url: str
    queue_time: timedelta = CUSTOMER_QUEUE_TIME
    access_duration: timedelta = ACCESS_DURATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockbox:
    """Everything a use case needs, wired once in `openlockbox.bootstrap`."""

    database: Database
    policy: PolicyEngine
    keys: Keys
    sign_in: SignInMethod
    passkeys: Passkeys
    registry: Registry
    rules: Rules
    clock: Callable[[], datetime]
    new_id: Callable[[str], str]  # prefix -> unguessable id
    new_secret: Callable[[], str]  # 256 bits, URL-safe


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever calls, as the edge knows them. Roles are not here: they are read inside the transaction."""

    principal_id: PrincipalId
    mfa_at: datetime | None
    scopes: frozenset[str] | None = None  # None: all, as in the portal
    via: str = "portal"  # "portal" | "api"
    token_sha256: str | None = (
        None  # of the personal token that was shown: each transaction reads again whether it holds
    )
    addressed: TenantId | None = None  # whose thing the address says it is; anybody else's is refused


@dataclass(slots=True, kw_only=True)
class About:
    """What an attempt is about, as far as it got: a refusal is logged where this points."""

    tenant_id: TenantId | None = None
    subject: str = ""
    resource_id: ResourceId | None = None
    correlation_id: CorrelationId = field(default=CorrelationId(""))
    foreign: Resource | None = (
        None  # somebody else's resource that was reached for: its owner's log gets the refusal too
    )


@dataclass(slots=True, kw_only=True)
class Work:
    """One command in progress. Whoever takes a lock calls `locked`, because what was read before may be old by then."""

    lockbox: Lockbox
    uow: UnitOfWork
    now: datetime
    caller: Caller
    principal: Principal
    about: About
    is_command: bool
    _roles: Roles | None = None

    @property
    def roles(self) -> Roles:
        """Return the caller's roles, read in this transaction; a command holds them until it ends."""
        if self._roles is None:
            self._roles = Roles(self.uow.principals.roles(self.principal.id, lock=self.is_command))
        return self._roles

    def locked(self) -> None:
        """Read clock and caller again: the lock just taken may have been waited for.

        Raises:
            NotSignedIn: the caller was disabled meanwhile.
        """
        self.now = self.lockbox.clock()
        self._roles = None
        self.principal = self.uow.principals.get(self.principal.id)
        if self.principal.state is not PrincipalState.ACTIVE:
            raise NotSignedIn

    def concerns(
        self,
        tenant_id: TenantId,
        subject: str,
        *,
        correlation_id: str,
        resource_id: ResourceId | None = None,
    ) -> None:
        """Say what the command is about, as soon as it is known.

        Raises:
            NotFound: the address names another organization than the thing's, even where the caller may see both.
        """
        self.about.tenant_id = tenant_id
        self.about.subject = subject
        self.about.correlation_id = CorrelationId(correlation_id)
        self.about.resource_id = resource_id
        if self.caller.addressed not in {None, tenant_id}:
            raise NotFound

    @property
    def tenant_id(self) -> TenantId:
        """Return the tenant that the command concerns."""
        if self.about.tenant_id is None:
            raise AssertionError("nothing is concerned yet")
        return self.about.tenant_id

    def event(
        self,
        code: str,
        *,
        detail: Mapping[str, str] | None = None,
        personal: Mapping[str, str] | None = None,
        document: str = "",
        subject: str | None = None,
        actor: ActorId | None = None,
    ) -> Event:
        """Make an event about what `concerns` named; the caller is the actor unless another is given."""
        names = {"actor_name": self.principal.name} if actor is None else {}
        return Event(
            code=code,
            tenant_id=self.tenant_id,
            actor=actor or principal_actor(self.principal.id),
            subject=subject or self.about.subject,
            resource_id=self.about.resource_id,
            correlation_id=self.about.correlation_id,
            detail=dict(detail or {}) | {"via": self.caller.via},
            personal=names | dict(personal or {}),
            document=document,
        )

    def record(
        self,
        code: str,
        *,
        detail: Mapping[str, str] | None = None,
        personal: Mapping[str, str] | None = None,
        document: str = "",
        subject: str | None = None,
        actor: ActorId | None = None,
    ) -> None:
        """Append an event about what `concerns` named; the caller is the actor unless another is given."""
        event = self.event(code, detail=detail, personal=personal, document=document, subject=subject, actor=actor)
        self.uow.activity.append(event, at=self.now)


def begin(lockbox: Lockbox, uow: UnitOfWork, caller: Caller, about: About, *, scope: str, is_command: bool) -> Work:
    """Resolve the caller inside the transaction.

    Raises:
        NotSignedIn: unknown or disabled, or the personal token is ended or revoked.
        ScopeMissing: the personal token does not reach this.
    """
    if caller.token_sha256 is not None:
        holder = find_holder(uow, caller.token_sha256, now=lockbox.clock())
        if holder is None:
            raise NotSignedIn
        caller = replace(holder, addressed=caller.addressed)
    try:
        principal = uow.principals.get(caller.principal_id)
    except NotFound:
        raise NotSignedIn from None
    about.tenant_id = principal.tenant_id
    about.subject = f"principal:{principal.id}"
    about.correlation_id = CorrelationId(principal.id)
    if principal.state is not PrincipalState.ACTIVE:
        raise NotSignedIn
    if caller.scopes is not None and scope not in caller.scopes:
        raise ScopeMissing(scope=scope)
    return Work(
        lockbox=lockbox,
        uow=uow,
        now=lockbox.clock(),
        caller=caller,
        principal=principal,
        about=about,
        is_command=is_command,
    )


def find_holder(uow: UnitOfWork, token_sha256: str, *, now: datetime) -> Caller | None:
    """Return whom a personal token speaks for; None for an unknown, ended or revoked one."""
    token = uow.identity.find_token(token_sha256)
    if token is None or token.revoked_at is not None or now >= token.ends_at:
        return None
    return Caller(
        principal_id=token.principal_id,
        mfa_at=token.mfa_at,
        scopes=token.scopes,
        via="api",
        token_sha256=token_sha256,
    )


P = ParamSpec("P")
T = TypeVar("T")
UseCase = Callable[Concatenate[Work, P], T]
Callable_ = Callable[Concatenate[Lockbox, Caller, P], T]


def command(action: str, *, scope: str) -> Callable[[UseCase[P, T]], Callable_[P, T]]:
    """Make a use case of a function on `Work`: one transaction, committed when it returns, refusals recorded as `action`.refused.

    A function that must keep what it did and still refuse calls `work.uow.commit()` before it raises.
    """

    def wrap(body: UseCase[P, T]) -> Callable_[P, T]:
        @functools.wraps(body)
        def run(lockbox: Lockbox, caller: Caller, /, *args: P.args, **kwargs: P.kwargs) -> T:
            for attempt in range(1, TRIES + 1):
                about = About()
                try:
                    with lockbox.database.unit_of_work() as uow:
                        work = begin(lockbox, uow, caller, about, scope=scope, is_command=True)
                        result = body(work, *args, **kwargs)
                        uow.commit()
                        return result
                except ConcurrentUpdate as refusal:
                    if attempt == TRIES:
                        record_refusal(lockbox, caller, action, about, refusal)
                        raise
                except LockboxError as refusal:
                    record_refusal(lockbox, caller, action, about, refusal)
                    raise
            raise AssertionError("unreachable: the last try returns or raises")

        return run

    return wrap


def query(action: str, *, scope: str) -> Callable[[UseCase[P, T]], Callable_[P, T]]:
    """Make a read of a function on `Work`. It commits nothing; a refused look is recorded like a refused command."""

    def wrap(body: UseCase[P, T]) -> Callable_[P, T]:
        @functools.wraps(body)
        def run(lockbox: Lockbox, caller: Caller, /, *args: P.args, **kwargs: P.kwargs) -> T:
            about = About()
            try:
                with lockbox.database.unit_of_work(read_only=True) as uow:
                    return body(begin(lockbox, uow, caller, about, scope=scope, is_command=False), *args, **kwargs)
            except LockboxError as refusal:
                record_refusal(lockbox, caller, action, about, refusal)
                raise

        return run

    return wrap


def record_refusal(lockbox: Lockbox, caller: Caller, action: str, about: About, refusal: LockboxError) -> None:
    """Append `action`.refused in a transaction of its own. A caller nobody knows is counted at sign-in, not here.

    Raises:
        RecordUnavailable: the log cannot be written.
    """
    tenant_id = about.tenant_id
    if tenant_id is None:
        log.info("refused %s code=%s caller unresolved", action, refusal.code)
        return
    try:
        with lockbox.database.unit_of_work() as uow:
            uow.activity.append(
                Event(
                    code=f"{action}.refused",
                    tenant_id=tenant_id,
                    actor=principal_actor(caller.principal_id),
                    subject=about.subject,
                    resource_id=about.resource_id,
                    correlation_id=about.correlation_id,
                    detail={"code": refusal.code, "via": caller.via} | _stable(refusal.params),
                ),
                at=lockbox.clock(),
            )
            if about.foreign is not None:
                uow.activity.append(
                    Event(
                        code=f"{action}.refused",
                        tenant_id=about.foreign.tenant_id,
                        actor=principal_actor(caller.principal_id),
                        subject=f"resource:{about.foreign.id}",
                        resource_id=about.foreign.id,
                        correlation_id=CorrelationId(about.foreign.id),
                        detail={"code": refusal.code, "via": caller.via},
                    ),
                    at=lockbox.clock(),
                )
            uow.commit()
    except Exception as error:
        log.exception("refusal not recorded action=%s code=%s", action, refusal.code)
        raise RecordUnavailable from error


def _stable(params: Mapping[str, str]) -> dict[str, str]:
    """Keep of a refusal's parameters what may stand in the log for ever: stable words, nothing that a person typed."""
    return {name: value for name, value in params.items() if name in {"state", "scope", "field"}}
