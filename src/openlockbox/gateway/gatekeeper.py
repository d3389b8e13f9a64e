"""The gateway's core as the fronts see it: fetch, admit, record the start, and only then let a session exist."""

import asyncio
import errno
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, cast

from openlockbox.domain.session import EndReason
from openlockbox.gateway.admission import Admission
from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.contract import Admitted, ConnectionRefused, Credential, Front, LiveSession
from openlockbox.gateway.control_plane import ControlPlane, ControlPlaneRefused, ControlPlaneUnavailable
from openlockbox.gateway.journal import Journal
from openlockbox.gateway.live_sessions import LiveSessions, RunningSession
from openlockbox.gateway.logs import FieldLogger
from openlockbox.gateway.recording import SUFFIX, RecordingSubject, RecordingWriter
from openlockbox.gateway.secret_store import load_secret
from openlockbox.grants.grant import GrantDocument
from openlockbox.grants.keys import Signer, encode_public_key
from openlockbox.grants.session_start import SessionStart, seal_session_start
from openlockbox.grants.token import ConnectionToken
from openlockbox.verification.logged import StartEntry

log = FieldLogger(__name__)

# How a session ends that the control plane recorded as started, but that was no longer allowed when it answered.
_TOO_LATE: Final = {
    "grant_over": EndReason.DEADLINE,
    "grant_revoked": EndReason.REVOKED,
    "lease_stale": EndReason.LEASE_LOST,
    "gateway_stopping": EndReason.GATEWAY_STOPPED,
}


MAX_REPORTED: Final = 4_096  # refusals remembered, so that a replayed token does not flood the customer's log


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much runs at once."""

    sessions: int
    sessions_per_grant: int


class CoreGatekeeper:
    """Implements the contract's `Gatekeeper`. One event loop."""

    def __init__(
        self,
        *,
        admission: Admission,
        sessions: LiveSessions,
        control_plane: ControlPlane,
        journal: Journal,
        signer: Signer,
        clocks: Clocks,
        gateway_id: str,
        recordings: Path,
        recording_key: bytes,
        secrets: Path,
        limits: Limits,
        ended: Callable[[], None],
    ) -> None:
        self._admission, self._sessions, self._control_plane = admission, sessions, control_plane
        self._journal, self._signer, self._clocks, self._gateway_id = journal, signer, clocks, gateway_id
        self._recordings, self._recording_key, self._secrets = recordings, recording_key, secrets
        self._limits, self._ended = limits, ended
        self._opening: dict[str, str] = {}  # session id to grant id, while the control plane is asked
        self._locks: dict[
            str, asyncio.Lock
        ] = {}  # one at a time talks about a tenant's log, so that its pin stands still
        self._tasks: set[asyncio.Task[object]] = set()
        self._reported: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._stopping = False

    def stop(self) -> None:
        """Let nothing start any more."""
        self._stopping = True

    async def prefetch(self, token: str) -> None:
        """Fetch the grant that the token names, unless its text is at hand, and what proves it. Nothing of it is believed here.

        Raises:
            ConnectionRefused: `token_…`; `grant_unavailable`, `evidence_unavailable`, `pin_unusable`.
        """
        known = self._admission.read_token(token)
        self._check_fresh(token, known)
        grant_id = known.grant_id
        if not self._admission.has_grant(grant_id):
            await self._fetch_grant(grant_id)
        tenant_id = self._admission.tenant_of(grant_id)
        if tenant_id is not None:  # otherwise admission says what is wrong
            await self._fetch_evidence(grant_id, tenant_id)

    def _check_fresh(self, text: str, token: ConnectionToken) -> None:
        try:
            self._admission.check_token(token)
        except ConnectionRefused as refused:
            log.warning("connection.refused", code=refused.code, detail=refused.__cause__)
            self._report_refusal(text, refused.code)
            raise

    async def _fetch_evidence(self, grant_id: str, tenant_id: str) -> None:
        self._admission.keep_evidence(grant_id, None)
        # The pin must not move between here and admission, which follows without giving up the loop.
        async with self._lock_of(tenant_id):
            pin = self._admission.find_pin(tenant_id)
            if pin is None:
                return  # admission says so
            try:
                # From the pinned version on, which is shown again because the pin holds its digest only.
                evidence = await self._control_plane.evidence(
                    grant_id, roster_version=max(pin.roster_version - 1, 0), log_size=pin.log_size
                )
            except (ControlPlaneUnavailable, ControlPlaneRefused) as error:
                log.warning("evidence.not_fetched", grant_id=grant_id, detail=error)
                code = "lease_stale" if self._admission.is_lease_lost() else "evidence_unavailable"
                raise ConnectionRefused(code, http_status=HTTPStatus.SERVICE_UNAVAILABLE) from error
            self._admission.keep_evidence(grant_id, evidence)

    def _lock_of(self, tenant_id: str) -> asyncio.Lock:
        return self._locks.setdefault(tenant_id, asyncio.Lock())

    async def _fetch_grant(self, grant_id: str) -> None:
        try:
            self._admission.keep_grant(grant_id, await self._control_plane.grant(grant_id))
        except (ControlPlaneUnavailable, ControlPlaneRefused) as error:
            log.warning("grant.not_fetched", grant_id=grant_id, detail=error)
            raise ConnectionRefused("grant_unavailable", http_status=HTTPStatus.SERVICE_UNAVAILABLE) from error

    def admit(self, token: str, *, front: Front) -> Admitted:
        """Verify token and grant, and burn the token.

        Raises:
            ConnectionRefused: with the stable code of the first step that failed.
        """
        try:
            admitted = self._admission.admit(token, front=front)
        except ConnectionRefused as refused:
            log.warning("connection.refused", code=refused.code, front=front, detail=refused.__cause__)
            self._report_refusal(token, refused.code)
            raise
        log.info("connection.admitted", session_id=admitted.session_id, grant_id=admitted.grant.grant_id, front=front)
        return admitted

    def refuse(self, admitted: Admitted, code: str) -> None:
        """Have it recorded that the front refused an admitted connection."""
        log.warning("connection.refused", code=code, front=admitted.front, session_id=admitted.session_id)
        self.report(admitted.session_id, code)

    def _report_refusal(self, token: str, code: str) -> None:
        try:
            session_id = self._admission.read_token(token).jti
        except ConnectionRefused:
            return  # not a token of ours: it names nobody's log, and anybody could send any number of them
        self.report(session_id, code)

    def report(self, session_id: str, code: str) -> None:
        """Tell the control plane of a refused token that the provider did sign, each reason once a token."""
        if (session_id, code) in self._reported:
            return
        self._reported[session_id, code] = None
        while len(self._reported) > MAX_REPORTED:
            self._reported.popitem(last=False)
        self._keep(self._send_refusal(session_id, code))

    async def _send_refusal(self, session_id: str, code: str) -> None:
        try:
            await self._control_plane.report_refusal(session_id, code=code, client_address="")
        except (ControlPlaneUnavailable, ControlPlaneRefused) as error:
            log.warning("connection.refusal_not_reported", session_id=session_id, code=code, detail=error)

    def _keep(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def credential(self, grant: GrantDocument) -> Credential:
        """Load the secret that the grant names.

        Raises:
            ConnectionRefused: `secret_missing`, `secret_of_other_tenant`.
        """
        secret_ref = grant.target.secret_ref
        try:
            return load_secret(self._secrets, secret_ref, tenant_id=grant.tenant_id)
        except ConnectionRefused as refused:
            log.warning("secret.refused", code=refused.code, secret_ref=secret_ref, why=";".join(refused.__notes__))
            raise

    async def start(self, admitted: Admitted, *, client_address: str) -> LiveSession:
        """Journal, recording, the control plane's record, a last check; then the session exists.

        Raises:
            ConnectionRefused: `gateway_stopping`, `session_limit`, `recording_unavailable`, `session_not_recorded`,
                `grant_over`, `grant_revoked`, `lease_stale`.
        """
        # The steps go on when the caller is canceled: what was begun is then ended, and reported.
        steps = asyncio.get_running_loop().create_task(self._start(admitted, client_address))
        try:
            session: LiveSession = await asyncio.shield(cast("asyncio.Future[RunningSession]", steps))
        except asyncio.CancelledError:
            steps.add_done_callback(self._close_abandoned)
            raise
        except ConnectionRefused as refused:
            log.warning("session.refused", code=refused.code, session_id=admitted.session_id)
            if refused.code != "session_not_recorded":  # the control plane knows its own refusals
                self.report(admitted.session_id, refused.code)
            raise
        return session

    def _close_abandoned(self, steps: "asyncio.Task[RunningSession]") -> None:
        if not steps.cancelled() and steps.exception() is None:
            self._keep(steps.result().close(EndReason.CLIENT_CLOSED))

    def _check_running(self) -> None:
        if self._stopping:
            raise ConnectionRefused("gateway_stopping", http_status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _check_room(self, session_id: str, grant_id: str) -> None:
        self._check_running()
        opening = list(self._opening.values())
        full = len(self._sessions) + len(opening) >= self._limits.sessions
        grants_own = self._sessions.per_grant()[grant_id] + opening.count(grant_id)
        if full or grants_own >= self._limits.sessions_per_grant or session_id in self._opening:
            raise ConnectionRefused("session_limit", http_status=HTTPStatus.TOO_MANY_REQUESTS)

    async def _start(self, admitted: Admitted, client_address: str) -> RunningSession:
        grant, session_id = admitted.grant, admitted.session_id
        self._admission.check_in_force(grant)
        self._check_room(session_id, grant.grant_id)
        self._opening[session_id] = grant.grant_id
        try:
            # 1  The journal first: from here on a crash leaves a trace that a restart reports.
            # 2  The recording: a session that cannot be recorded does not start.
            session = await self._prepare(admitted)
            # 3  The control plane's record of the start.
            await self._record_start(session, client_address)
            # 4  Whatever ended meanwhile. Nothing may be awaited between this check and `add`.
            try:
                self._check_running()
                self._admission.check_in_force(grant)
            except ConnectionRefused as refused:
                await session.close(_TOO_LATE.get(refused.code, EndReason.GATEWAY_STOPPED))
                raise
            self._sessions.add(session)
        finally:
            del self._opening[session_id]
        log.info("session.started", session_id=session_id, grant_id=grant.grant_id, client_address=client_address)
        return session

    async def _prepare(self, admitted: Admitted) -> RunningSession:
        started_at = self._clocks.now()
        subject = RecordingSubject(
            session_id=admitted.session_id,
            grant_id=admitted.grant.grant_id,
            gateway_id=self._gateway_id,
            started_at=started_at,
        )
        try:
            recorder = await asyncio.to_thread(self._open_files, subject)
        except OSError as error:
            log.exception(
                "recording.unavailable", session_id=admitted.session_id, errno=errno.errorcode.get(error.errno or 0)
            )
            raise ConnectionRefused("recording_unavailable", http_status=HTTPStatus.SERVICE_UNAVAILABLE) from error
        session = RunningSession(
            admitted.session_id,
            admitted.grant,
            front=admitted.front,
            recorder=recorder,
            journal=self._journal,
            signer=self._signer,
            clocks=self._clocks,
        )
        session.on_closed.append(lambda _: self._ended())
        return session

    def _open_files(self, subject: RecordingSubject) -> RecordingWriter:
        path = self._recordings / f"{subject.session_id}{SUFFIX}"
        if path.exists():
            raise FileExistsError(path)  # a session id comes once; its journal entry is not ours to touch
        self._journal.begin(subject.session_id, grant_id=subject.grant_id, at=subject.started_at)
        try:
            return RecordingWriter(path, subject, recording_key=self._recording_key, monotonic=self._clocks.monotonic)
        except OSError:
            self._journal.forget(subject.session_id)
            raise

    async def _record_start(self, session: RunningSession, client_address: str) -> None:
        """Have the signed start recorded, and return only when it provably stands in the customer's log."""
        grant, at = session.grant, self._clocks.now()
        start = SessionStart(
            session_id=session.session_id,
            grant_id=grant.grant_id,
            tenant_id=grant.tenant_id,
            gateway_id=self._gateway_id,
            engineer_id=grant.engineer_id,
            front=session.front,
            at=at,
        )
        statement = seal_session_start(start, self._signer)
        async with self._lock_of(grant.tenant_id):
            try:
                pin = self._admission.load_pin(grant.tenant_id)
                recorded = await self._control_plane.start_session(
                    session.session_id,
                    grant_id=grant.grant_id,
                    front=session.front,
                    client_address=client_address,
                    at=at,
                    statement=statement,
                    log_size=pin.log_size,
                )
                await asyncio.to_thread(
                    self._admission.check_start,
                    recorded,
                    pin=pin,
                    start=start,
                    statement=statement,
                    about=StartEntry(grant.resource_id, encode_public_key(self._signer.public_key)),
                )
            except ControlPlaneRefused as error:
                # It said no, so there is nothing to end over there, and nothing was recorded here.
                session.recording.discard()
                await asyncio.to_thread(self._journal.forget, session.session_id)
                log.warning("session.start_refused", session_id=session.session_id, code=error.code)
                raise ConnectionRefused("session_not_recorded", http_status=HTTPStatus.FORBIDDEN) from error
            except ControlPlaneUnavailable as error:
                # It may have recorded the start: report an end, which is idempotent.
                await session.close(EndReason.LEASE_LOST)
                raise ConnectionRefused("session_not_recorded", http_status=HTTPStatus.SERVICE_UNAVAILABLE) from error
            except ConnectionRefused:
                # It says that it did and cannot prove it.
                await session.close(EndReason.LOG_UNPROVED)
                raise
