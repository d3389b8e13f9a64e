"""The steps of the workflow that tests start from, by the REST API, each as the person whose step it is."""

from collections import Counter
from dataclasses import dataclass

from openlockbox.domain.ids import GatewayId
from openlockbox.gateway.recording import SUFFIX
from openlockbox.gateway.recording_file import RecordingReport, read_records, verify_recording
from openlockbox.grants.keys import parse_public_key
from tests.e2e import cast
from tests.e2e.system import System, until

TITLE = "Kiln database drops connections"
DESCRIPTION = "Since the update on Saturday the kiln controller loses its database every few minutes."
JUSTIFICATION = "Read the local event log and the database's startup settings."


@dataclass(frozen=True)
class Case:
    """A service request and where it is found."""

    id: str
    tenant: str
    resource: str

    @property
    def path(self) -> str:
        return f"/tenants/{self.tenant}/service-requests/{self.id}"


def open_case(
    system: System, *, by: str = "bram", engineer: str | None = "idris", resource: str = cast.KILN, title: str = TITLE
) -> Case:
    tenant = system.people[by].member.tenant
    opened = system.people[by].post(
        f"/tenants/{tenant}/service-requests",
        subscription_id=f"{tenant}-production",
        resource_id=resource,
        title=title,
        description=DESCRIPTION,
        severity="b",
    )
    case = Case(opened["id"], tenant, resource)
    if engineer is not None:
        system.people[engineer].post(f"{case.path}/take")
    return case


def question(case: Case, **changes: object) -> dict[str, object]:
    asked = {
        "resource_id": case.resource,
        "scenario": "remote_desktop",
        "permission": "operate",
        "justification": JUSTIFICATION,
    }
    return asked | changes


def ask(system: System, case: Case, *, by: str = "idris", **changes: object):
    return system.people[by].post(f"{case.path}/elevations", **question(case, **changes))


def pending(system: System, case: Case | None = None, *, by: str = "idris", approver: str = "senna", **changes: object):
    """Ask, and return the Lockbox request as an approver reads it."""
    case = case or open_case(system, engineer=by)
    asked = ask(system, case, by=by, **changes)
    assert asked["state"] == "forwarded", asked
    return request(system, asked["request_id"], tenant=case.tenant, reader=approver)


def request(system: System, request_id: str, *, tenant: str = cast.AMBERTIDE, reader: str = "senna"):
    return system.people[reader].get(f"/tenants/{tenant}/requests/{request_id}")


def path_of(asked) -> str:
    return f"/tenants/{asked['tenant']['id']}/requests/{asked['id']}"


def approve(system: System, asked, *, by: str = "senna", **body: object) -> str:
    """Approve, and return the id of the grant."""
    system.people[by].post(f"{path_of(asked)}/approve", digest=asked["digest"], **body)
    return request(system, asked["id"], tenant=asked["tenant"]["id"], reader=by)["grant"]["id"]


def granted(system: System, resource: str = cast.PRESS, *, by: str = "idris") -> str:
    """Go the whole way to an access, and return the id of the grant."""
    return approve(system, pending(system, open_case(system, engineer=by, resource=resource), by=by))


def grant(system: System, grant_id: str, *, reader: str = "idris"):
    return system.people[reader].get(f"/grants/{grant_id}")


def terminated(system: System, session_id: str, *, tenant: str = cast.AMBERTIDE):
    """Wait until the gateway has reported a session's end, and return the entry."""
    wanted = {"code": "session.terminated", "subject": f"session:{session_id}"}
    return until(lambda: system.entries(tenant, **wanted), f"reported end of {session_id}")[0]


def check_recording(system: System, session_id: str, *, tenant: str = cast.AMBERTIDE) -> RecordingReport:
    """Check that the session was recorded, that the log holds the recording's digest, and that no password is in it."""
    entry = terminated(system, session_id, tenant=tenant)
    path = system.gateway_files.recordings / f"{session_id}{SUFFIX}"
    with system.lockbox.database.unit_of_work(read_only=True) as uow:
        key = parse_public_key(uow.gateways.get(GatewayId(cast.GATEWAY)).public_key)
    head = entry.event.detail["recording_sha256"]
    report = verify_recording(path, public_key=key, head=head)
    assert head == report.summary.sha256
    assert report.subject.session_id == session_id
    content = b"".join(
        r.data for r in read_records(path, recording_key=system.gateway_files.recording_key.read_bytes())
    )
    for password in passwords(system):
        assert password.encode() not in content
        assert password.encode("utf-16-le") not in content
    return report


def passwords(system: System) -> list[str]:
    """Return the passwords of the machines, which nobody but the gateway may know."""
    return [desktop.password for desktop in system.desktops.values()]


def check_secrecy(system: System, *more: str) -> None:
    """Check that no page, no answer and no log file holds a machine's password."""
    for password in passwords(system):
        assert password not in system.logs()
        assert not any(password in text for text in (*system.seen, *more))


def check_log(system: System, tenant: str = cast.AMBERTIDE) -> None:
    """Check that a tenant's log has no gap and tells nothing twice that happens once."""
    entries = system.entries(tenant)
    assert [e.index for e in entries] == list(range(len(entries)))
    once = ("request.approved", "request.denied", "request.expired", "grant.issued", "grant.revoking", "grant.revoked")
    once += ("session.started", "session.terminated", "session.offered")
    told = Counter((e.event.code, e.event.subject) for e in entries if e.event.code in once)
    assert [pair for pair, times in told.items() if times > 1] == []
