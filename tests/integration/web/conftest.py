"""The web application in this process, over the small world of `tests.world` on SQLite, with everybody signed in."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar import Litestar

from openlockbox.adapters.db import SqlDatabase
from openlockbox.domain.ids import GatewayId, PersonId, PrincipalId, TenantId
from openlockbox.domain.principal import PrincipalState, Role
from openlockbox.grants.gateway_request import sign_request
from openlockbox.grants.keys import Ed25519Signer, encode_public_key
from openlockbox.services import gateways, setup
from openlockbox.services.accounts import SCOPES, secret_digest
from openlockbox.services.ports import PersonalToken, SignIn
from openlockbox.web.app import create_app
from openlockbox.web.portal.security import SIGN_IN_COOKIE, cookie_name, csrf_value
from openlockbox.web.settings import WebSettings
from tests.world import AMBERTIDE, GATEWAY, OTHER_SUBSCRIPTION, PELIMOOR, PROVIDER, SUBSCRIPTION, World, build_world

# Who tries every route, in each of the eight roles and in none, from both customers and the provider.
ACTORS: Mapping[str, str] = {
    "owner": "senna",
    "approver": "orla",
    "administrator": "tessa",
    "reader": "rhea",
    "member": "bram",
    "engineer": "idris",
    "other_engineer": "wrenna",
    "lead": "lena",
    "devops": "devi",
    "operator": "oper",
    "colleague": "cole",
    "disabled": "dora",
    "other_owner": "piet",
    "other_approver": "pol",
    "other_administrator": "pia",
    "other_reader": "petra",
    "anonymous": "",
}
# ACTORS that `tests.world` does not have: where they belong, their role, and who gives it.
MORE: tuple[tuple[str, TenantId, Role | None, str], ...] = (
    ("lena", PROVIDER, Role.SUPPORT_LEAD, ""),
    ("cole", PROVIDER, None, ""),
    ("dora", AMBERTIDE, Role.SUBSCRIPTION_OWNER, "tessa"),
    ("pol", PELIMOOR, Role.LOCKBOX_APPROVER, "pia"),
    ("petra", PELIMOOR, Role.READER, "pia"),
)
ALL_SCOPES = frozenset(SCOPES)
WEB = WebSettings(base_url="http://localhost", cookie_secure=False, csrf_secret=b"c" * 32)


@dataclass
class WebWorld(World):
    """The world behind its web application."""

    app: Litestar = field(init=False)
    runner: "asyncio.Runner" = field(default_factory=asyncio.Runner)
    gateway_signer: Ed25519Signer = field(default_factory=lambda: Ed25519Signer(Ed25519PrivateKey.generate()))

    # ---- people ----

    def token(self, name: str, *, scopes: frozenset[str] = ALL_SCOPES) -> str:
        """Return a new personal token of somebody."""
        secret = f"olbx_{self.lockbox.new_secret()}"
        with self.lockbox.database.unit_of_work() as uow:
            uow.identity.add_token(
                PersonalToken(
                    id=self.lockbox.new_id("TOK"),
                    token_sha256=secret_digest(secret),
                    principal_id=PrincipalId(name),
                    name="test",
                    scopes=scopes,
                    mfa_at=self.clock.now,
                    created_at=self.clock.now,
                    ends_at=self.clock.now + timedelta(days=90),
                )
            )
            uow.commit()
        return secret

    def sign_in(self, name: str) -> str:
        """Return the cookie's secret of a new sign-in of somebody."""
        secret = self.lockbox.new_secret()
        with self.lockbox.database.unit_of_work() as uow:
            uow.identity.add_sign_in(
                SignIn(
                    token_sha256=secret_digest(secret),
                    principal_id=PrincipalId(name),
                    mfa_at=self.clock.now,
                    created_at=self.clock.now,
                    last_seen_at=self.clock.now,
                    ends_at=self.clock.now + timedelta(hours=12),
                )
            )
            uow.commit()
        return secret

    # ---- calls ----

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the application as an HTTP client would."""
        return self.runner.run(self.acall(method, path, **options))

    async def acall(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=20) as client:
            return await client.request(method, path, **options)

    def api(self, name: str, method: str, path: str, body: object = None, **options: Any) -> httpx.Response:
        """Call the API with a token of somebody."""
        headers = {"Authorization": f"Bearer {self.token(name)}"} if name else {}
        given = {} if body is None else {"json": body}
        return self.call(method, f"/api/v1{path}", headers=headers, **given, **options)

    def portal(self, name: str, method: str, path: str, form: Mapping[str, str] | None = None) -> httpx.Response:
        """Call the portal with a cookie of somebody, and with the form's CSRF value where it posts."""
        secret = self.sign_in(name) if name else ""
        headers = {"Cookie": f"{cookie_name(WEB, SIGN_IN_COOKIE)}={secret}"} if secret else {}
        data = {"csrf": csrf_value(WEB, sign_in=secret), **(form or {})} if method == "POST" else None
        return self.call(method, path, headers=headers, data=data)

    def signed(
        self, method: str, path: str, body: bytes = b"", *, signer: Ed25519Signer | None = None, by: str = GATEWAY
    ) -> dict[str, str]:
        """Return the headers with which a gateway proves a call."""
        header = sign_request(
            gateway_id=by,
            method=method,
            path=path,
            body=body,
            at=self.clock.now,
            nonce=os.urandom(8).hex(),
            signer=signer or self.gateway_signer,
        )
        return {"Authorization": header, "Content-Type": "application/json"}

    def enrol(self, gateway_id: GatewayId, signer: Ed25519Signer) -> None:
        """Invite and enrol a gateway with a key."""
        _, code = setup.invite_gateway(self.lockbox, gateway_id=gateway_id, name=gateway_id)
        gateways.enrol(
            self.lockbox,
            code_sha256=hashlib.sha256(code.encode()).hexdigest(),
            enrolment=gateways.Enrolment(
                public_key=encode_public_key(signer.public_key),
                browser_url="ws://gateway.localhost:1/rdp",
                native_address="localhost:2",
                native_certificate_sha256="0" * 64,
            ),
        )

    def refusals(self) -> int:
        """Count what was refused and recorded, in all logs."""
        return sum(
            code.endswith(".refused") for tenant in (PROVIDER, AMBERTIDE, PELIMOOR) for code in self.actions(tenant)
        )


def _people(world: World) -> None:
    for name, tenant_id, role, by in MORE:
        setup.add_person(
            world.lockbox,
            tenant_id=tenant_id,
            principal_id=PrincipalId(name),
            person_id=PersonId(name),
            name=name.capitalize(),
            mail=f"{name}@{tenant_id}.example",
        )
        if role is None:
            continue
        on_subscription = role in {Role.SUBSCRIPTION_OWNER, Role.LOCKBOX_APPROVER}
        scope = {AMBERTIDE: SUBSCRIPTION, PELIMOOR: OTHER_SUBSCRIPTION}[tenant_id] if on_subscription else None
        where = {"tenant_id": tenant_id, "principal_id": PrincipalId(name), "role": role, "subscription_id": scope}
        if by:
            setup.assign_role(world.lockbox, world.caller(by), **where)
        else:
            setup.give_role(world.lockbox, **where)
    with world.lockbox.database.unit_of_work() as uow:
        uow.principals.save(replace(uow.principals.get(PrincipalId("dora")), state=PrincipalState.DISABLED))
        uow.commit()


@contextmanager
def web_world(directory, template):
    path = directory / "lockbox.sqlite"
    shutil.copyfile(template, path)
    database = SqlDatabase(f"sqlite:///{path}", salt=os.urandom)
    base = build_world(database, directory)
    _people(base)
    world = WebWorld(lockbox=base.lockbox, clock=base.clock, keys=base.keys)
    world.app = create_app(world.lockbox, WEB)
    world.enrol(GATEWAY, world.gateway_signer)
    with world.runner:
        yield world
    database.close()


@pytest.fixture
def own_world(tmp_path, _sqlite_template):
    """Return a world of the test's own."""
    with web_world(tmp_path, _sqlite_template) as built:
        yield built


@pytest.fixture(scope="module")
def world(tmp_path_factory, _sqlite_template):
    """Return a world for all tests of a module; its clock only goes on, and its requests are each test's own."""
    with web_world(tmp_path_factory.mktemp("world"), _sqlite_template) as built:
        yield built
