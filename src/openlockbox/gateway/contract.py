"""What the protocol fronts (RDP and later others) may ask of the gateway's core. Protocols and values only, no behaviour."""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

from openlockbox.domain.session import EndReason
from openlockbox.grants.grant import GrantDocument

Front = Literal["browser", "native"]


class ConnectionRefused(Exception):
    """The gateway does not let this connection through. `code` is stable; `http_status` is what RDCleanPath carries."""

    def __init__(self, code: str, *, http_status: int = 403) -> None:
        self.code = code
        self.http_status = http_status
        super().__init__(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A verified token with its verified grant. Admission burns the token: it admits nobody twice."""

    session_id: str
    grant: GrantDocument
    front: Front
    password_sha256: str | None  # native front: lower-case hex SHA-256 of the one-time password the client must type


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credential:
    """What is injected at the target. Has no repr, so that it cannot be logged by accident."""

    username: str
    password: str
    domain: str = ""


class Recorder(Protocol):
    """The session's recording: hash-chained chunks on the gateway's disk."""

    def server_bytes(self, data: bytes) -> None:
        """Append bytes that the target sent, decrypted, before they are passed on.

        Raises:
            OSError: it cannot be written; the session must end with `recording_failed`.
        """


class LiveSession(Protocol):
    """A started session. The core sets `ended` for deadline, revocation, lost lease or shutdown; the front must then cut at once."""

    recorder: Recorder
    ended: "asyncio.Future[EndReason]"

    async def close(self, reason: EndReason) -> EndReason:
        """End it and seal the recording. Idempotent: the first reason stands and is returned."""


class Gatekeeper(Protocol):
    """The gateway's core as a front sees it. Order: `admit`, (native: password), `start`, dial, pump, `close`."""

    def admit(self, token: str, *, front: Front) -> Admitted:
        """Verify token, grant, revocations, lease and times, and burn the token. Grants are fetched by `prefetch` before.

        Raises:
            ConnectionRefused: with the stable code of the first step that failed.
        """

    async def prefetch(self, token: str) -> None:
        """Fetch the grant that the token names, so that `admit` can verify it. Trusts nothing it sees.

        Raises:
            ConnectionRefused: `grant_unavailable` when the control plane cannot be asked.
        """

    def refuse(self, admitted: Admitted, code: str) -> None:
        """Have it recorded that the front refused an admitted connection, for example for a wrong password."""

    async def start(self, admitted: Admitted, *, client_address: str) -> LiveSession:
        """Record `session.started` with the control plane and open the recording, before a byte goes upstream.

        Raises:
            ConnectionRefused: `session_not_recorded`, `recording_unavailable`, or a grant that ended meanwhile.
        """

    def credential(self, grant: GrantDocument) -> Credential:
        """Load the secret that the grant names, which must be one of the grant's tenant.

        Raises:
            ConnectionRefused: `secret_missing`, also for a file whose permissions are wider than 0600;
                `secret_of_other_tenant`.
        """
