"""kill -9 of web, worker and gateway at random points of the walkthrough: nothing is lost, and nothing happens twice."""

import asyncio
import os
import random
from collections import Counter

import pytest

from openlockbox.domain.session import EndReason
from openlockbox.gateway.recording import SUFFIX
from openlockbox.services.delivery import CLAIM
from tests.e2e.gateway_client import session
from tests.e2e.steps import check_log, check_recording, check_secrecy, grant, granted, terminated
from tests.e2e.system import System, until
from tests.faults.walk import Walk

pytestmark = [pytest.mark.e2e]
SEED = int(os.environ.get("OPENLOCKBOX_KILL_SEED", random.SystemRandom().randrange(10**6)))
ROUNDS = 3  # kills of each process
LONGEST_PAUSE = 1.5  # seconds between two kills: a case takes about one


async def kill_at_random_points(system: System, walk: Walk, rounds: int) -> None:
    choice = random.Random(SEED)
    victims = ["web", "worker", "gateway"] * rounds
    choice.shuffle(victims)
    print(f"OPENLOCKBOX_KILL_SEED={SEED}: {victims}")
    for victim in victims:
        await asyncio.sleep(choice.uniform(0, LONGEST_PAUSE))
        system.kill(victim)
        system.launch(victim)
        await asyncio.to_thread(system.wait_for, victim)


def everything_settled(system: System) -> bool:
    """Tell whether gateway and worker have caught up: no session open, no revocation unconfirmed, no mail unsent."""
    started = {e.event.subject for e in system.entries(code="session.started")}
    over = {e.event.subject for e in system.entries(code="session.terminated")}
    revoking = {e.event.subject for e in system.entries(code="grant.revoking")}
    revoked = {e.event.subject for e in system.entries(code="grant.revoked")}
    journal = [p for p in system.gateway_files.journal.iterdir() if p.suffix == ".json"]
    return started <= over and revoking == revoked and not journal


@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(20, marks=pytest.mark.long)])
async def test_nothing_is_lost_and_nothing_happens_twice(system, rounds):
    for person in ("bram", "idris", "senna"):
        system.people[person].sign_in()
    walk = Walk(system, stop=asyncio.Event())
    walking = asyncio.create_task(walk.run())
    try:
        await kill_at_random_points(system, walk, rounds)
    finally:
        walk.stop.set()
        await walking
    until(lambda: everything_settled(system), "end of all sessions and revocations")

    # Nothing is lost: what was acknowledged is in the log.
    happened = Counter((e.event.code, e.event.subject) for e in system.entries())
    assert [what for what in walk.acknowledged if not happened[what]] == []
    # Nothing happens twice, and the log has no gap.
    check_log(system)
    approved = [e.event.subject for e in system.entries(code="request.approved")]
    issued = [e.event.detail["request"] for e in system.entries(code="grant.issued")]
    assert sorted(f"request:{request_id}" for request_id in issued) == sorted(approved)
    # A mail that a killed worker was about to send stays claimed for five minutes, then any worker sends it.
    system.advance(CLAIM)
    # Each mail arrives; a kill between sending and writing it down sends it again under the same message id.
    for subject in approved:
        request_id = subject.removeprefix("request:")
        mails = until(lambda about=request_id: system.mails_to("senna", about), f"mail about {request_id}")
        assert len({m.subject for m in mails}) == len({m.message_id for m in mails})
    # Every session that started has one end, with a recording that holds.
    for entry in system.entries(code="session.started"):
        check_recording(system, entry.event.subject.removeprefix("session:"))
    check_secrecy(system)


async def ready_offer(system, grant_id):
    """Connect once for nothing until the gateway lets it: after a step of the clock its lease is stale for some seconds."""
    for _ in range(40):
        trial = system.people["idris"].post(f"/grants/{grant_id}/connect", front="browser")
        try:
            async with session(system, trial["token"]):
                break
        except AssertionError:  # 503: no fresh list of revocations yet
            await asyncio.sleep(0.5)
    return system.people["idris"].post(f"/grants/{grant_id}/connect", front="browser")


async def test_a_live_session_of_a_killed_gateway_is_reported_ended(system):
    grant_id = granted(system)
    offer = await ready_offer(system, grant_id)
    async with session(system, offer["token"]) as ended:
        system.kill("gateway")
        await asyncio.wait_for(ended, 20)
    # The recording stands open on the disk, and the control plane still believes that the session runs.
    assert grant(system, grant_id)["sessions"][0]["state"] == "active"
    system.start("gateway")
    entry = terminated(system, offer["session_id"])
    assert entry.event.detail["reason"] == EndReason.GATEWAY_STOPPED
    check_recording(system, offer["session_id"])
    assert (system.gateway_files.recordings / f"{offer['session_id']}{SUFFIX}").exists()
    assert grant(system, grant_id)["is_usable"]


async def test_a_session_outlives_a_short_absence_of_the_web_process_and_not_a_long_one(system):
    grant_id = granted(system)
    offer = await ready_offer(system, grant_id)
    async with session(system, offer["token"]) as ended:
        system.kill("web")
        system.start("web")
        assert not ended.done()
        # Without the control plane the lease runs out after eight seconds, and everything is cut.
        system.kill("web")
        await asyncio.wait_for(ended, 20)
    system.start("web")
    entry = terminated(system, offer["session_id"])
    assert entry.event.detail["reason"] == EndReason.LEASE_LOST


async def test_a_mail_is_sent_after_the_worker_was_killed_before_it(system):
    system.kill("worker")
    grant_id = granted(system)
    about = grant(system, grant_id)["request_id"]
    assert system.mails_to("senna", about) == []
    system.start("worker")
    until(lambda: system.mails_to("senna", about), "mail")
