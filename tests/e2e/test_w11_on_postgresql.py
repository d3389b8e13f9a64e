"""The same processes on PostgreSQL: from the service request to a session that the customer ends."""

import asyncio

import pytest

from tests.e2e.browser import END_TO_END
from tests.e2e.cast import KILN
from tests.e2e.gateway_client import session
from tests.e2e.steps import approve, check_log, check_recording, grant, open_case, path_of, pending
from tests.e2e.system import DEADLINE, running_system, until

pytestmark = END_TO_END


@pytest.fixture
def system_on_postgresql(desktops, postgres_server, tmp_path):
    name = postgres_server.create_database()
    with running_system(tmp_path, {"nla": desktops["nla"]}, database_url=postgres_server.url(name)) as system:
        yield system
    postgres_server.drop_database(name)


async def test_w11_approve_connect_and_end_on_postgresql(system_on_postgresql):
    system = system_on_postgresql
    denied = pending(system)
    system.people["orla"].post(f"{path_of(denied)}/deny", digest=denied["digest"], reason="")
    asked = pending(system, open_case(system, resource=KILN))
    until(lambda: system.mails_to("senna", asked["id"]), "mail")
    grant_id = approve(system, asked)
    offer = system.people["idris"].post(f"/grants/{grant_id}/connect", front="browser")
    async with session(system, offer["token"]) as ended:
        until(lambda: grant(system, grant_id)["sessions"][0]["state"] == "active", "session")
        system.people["senna"].post(f"/grants/{grant_id}/end", reason="")
        await asyncio.wait_for(ended, DEADLINE)
    assert check_recording(system, offer["session_id"]).reason == "revoked"
    until(lambda: grant(system, grant_id)["state"] == "revoked", "confirmed revocation")
    check_log(system)
