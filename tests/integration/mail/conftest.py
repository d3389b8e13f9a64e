"""A real SMTP server, a real database, and the Japanese catalogue."""

import gettext
import io
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from sqlalchemy import select

from openlockbox.adapters.db import tables
from openlockbox.adapters.db.database import SqlDatabase
from openlockbox.adapters.db.migrations import upgrade
from openlockbox.adapters.mail.smtp import SmtpMailer, SmtpSecurity, SmtpSettings
from openlockbox.domain.ids import PersonId, PrincipalId, TenantId
from openlockbox.domain.principal import Principal
from openlockbox.domain.tenant import Tenant, TenantKind
from openlockbox.services.ports import OutboxRow
from openlockbox.testing.smtp_server import SmtpServer

NOW = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
VALUES = {
    "key_name": "vm-kiln-07",
    "by": "Senna Oduya",
    "version": "3",
    "added": "1",
    "removed": "0",
    "at": "2026-11-23T09:12:00+00:00",
    "request_id": "LBX-7Q4M-29KD",
    "requester_name": "Idris Vallenoux",
    "provider_name": "Quillmere Cloud",
    "tenant_name": "Ambertide Ceramics",
    "resource_name": "vm-kiln-07",
    "scenario_label": "Remote desktop",
    "permission": "administrator",
    "duration_hours": "8",
    "answer_by": "2026-11-27T09:12:00+00:00",
    "service_request_id": "SR-20386",
    "service_request_title": "Kiln database drops connections",
    "link": "https://lockbox.example/t/ambertide/requests/LBX-7Q4M-29KD",
    "state": "approved",
    "reason": "Go ahead",
    "revoked_by": "Orla Fennick",
    "kind": "resource",
    "subject_name": "vm-kiln-07",
    "locked_by": "Orla Fennick",
}


@dataclass
class Clock:
    """Time as a value that a test sets."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **length: float) -> None:
        self.now += timedelta(**length)


class Mailroom:
    """A real database on a SQLite file, with what these tests ask of it. Counts the units of work that are open."""

    def __init__(self, url: str) -> None:
        upgrade(url)
        self._database = SqlDatabase(url, salt=secrets.token_bytes)
        self.open = 0

    @contextmanager
    def unit_of_work(self, *, read_only: bool = False) -> Iterator[Any]:
        with self._database.unit_of_work(read_only=read_only) as uow:
            self.open += 1
            try:
                yield uow
            finally:
                self.open -= 1

    def put(self, *rows: OutboxRow) -> None:
        with self.unit_of_work() as uow:
            for row in rows:
                uow.outbox.add(row)
            uow.commit()

    def add(self, person: Principal) -> None:
        with self.unit_of_work() as uow:
            uow.principals.add(person)
            uow.commit()

    def row(self, key: str) -> Any:
        """Read the row as it is stored, done or not."""
        with self._database.engine.connect() as connection:
            return connection.execute(select(tables.outbox).where(tables.outbox.c.key == key)).one()

    def undelivered(self) -> int:
        with self.unit_of_work(read_only=True) as uow:
            return int(uow.outbox.undelivered())

    def close(self) -> None:
        self._database.close()


def catalogue(language: str) -> gettext.NullTranslations:
    if not language.startswith("ja"):
        return gettext.NullTranslations()
    source = resources.files("openlockbox.adapters.mail").joinpath("locale", "ja.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source), locale="ja"))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def principal(name: str = "nadia", **changes: Any) -> Principal:
    made = Principal(
        id=PrincipalId(name),
        person_id=PersonId(name),
        tenant_id=TenantId("ambertide"),
        name=name.title(),
        mail=f"{name}@ambertide.example",
        time_zone="Europe/Berlin",
    )
    return replace(made, **changes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture
def new_mailer(server: SmtpServer, clock: Clock) -> Callable[..., SmtpMailer]:
    def make(**changes: Any) -> SmtpMailer:
        settings = SmtpSettings(
            host="127.0.0.1",
            port=server.port,
            sender="OpenLockbox <lockbox@quillmere.example>",
            security=SmtpSecurity.NONE,
            timeout=timedelta(seconds=5),
        )
        return SmtpMailer(replace(settings, **changes), translations=catalogue, clock=clock)

    return make


@pytest.fixture
def mailer(new_mailer: Callable[..., SmtpMailer]) -> SmtpMailer:
    return new_mailer()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Mailroom]:
    mailroom = Mailroom(f"sqlite:///{tmp_path / 'lockbox.db'}")
    with mailroom.unit_of_work() as uow:
        uow.tenants.add(Tenant(id=TenantId("ambertide"), name="Ambertide Ceramics", kind=TenantKind.CUSTOMER))
        uow.commit()
    mailroom.add(principal())
    yield mailroom
    mailroom.close()


@pytest.fixture
def values() -> dict[str, str]:
    return dict(VALUES)


@pytest.fixture
def new_principal() -> Callable[..., Principal]:
    return principal


@pytest.fixture
def new_row() -> Callable[..., OutboxRow]:
    def make(key: str = "created-LBX-1-nadia", **changes: Any) -> OutboxRow:
        row = OutboxRow(
            key=key,
            tenant_id=TenantId("ambertide"),
            recipient=PrincipalId("nadia"),
            template="request_created",
            values=VALUES,
            due_at=NOW,
        )
        return replace(row, **changes)

    return make
