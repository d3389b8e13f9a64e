"""kill -9 of a gateway in mid-session: after the restart its end is reported and its recording is sealed."""

import asyncio
import sys
from pathlib import Path

import pytest

from openlockbox.gateway.enrolment import load_identity
from openlockbox.gateway.recording_file import verify_recording

CHILD = Path(__file__).with_name("child.py")


async def start(rig, url):
    rig.settings.ready_file.unlink(missing_ok=True)
    child = await asyncio.create_subprocess_exec(
        sys.executable, CHILD, rig.settings.state_dir.parent, url, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(20):
        await rig.leased()
    return child


@pytest.mark.parametrize("control_plane_is", ["up", "down at the kill"])
async def test_a_killed_gateway_reports_its_session_after_the_restart(rig, control_plane, control_plane_is):
    child = await start(rig, control_plane.url)
    try:
        async with rig.browser(rig.token(jti="se-kill")) as socket:
            assert await socket.recv() == b"started"
            await socket.send(b"x" * 100_000)
            assert len(await socket.recv()) == 100_000
            rig.state.change(down=control_plane_is != "up")
            child.kill()
            await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
    assert "se-kill" not in rig.state.ended
    rig.state.change(down=False)
    again = await start(rig, control_plane.url)
    await rig.told(lambda state: "se-kill" in state.ended)
    again.terminate()
    assert await asyncio.wait_for(again.wait(), 10) == 0
    (end,) = rig.state.ended["se-kill"]
    identity = load_identity(rig.settings.files)
    path = rig.settings.files.recordings / "se-kill.olbxrec"
    report = verify_recording(path, public_key=identity.signer.public_key, head=end["recording"]["sha256"])
    assert (end["reason"], report.reason, report.summary.chunks) == ("gateway_stopped", "gateway_stopped", 1)


async def test_an_end_that_was_not_taken_survives_a_kill(rig, control_plane):
    child = await start(rig, control_plane.url)
    async with rig.browser(rig.token(jti="se-late")) as socket:
        assert await socket.recv() == b"started"
        rig.state.change(down=True)
        await socket.send(b"")  # the echo ends at an empty message
        assert await socket.recv() == b"ended client_closed"
    child.kill()
    await child.wait()
    rig.state.change(down=False)
    again = await start(rig, control_plane.url)
    await rig.told(lambda state: "se-late" in state.ended)
    again.terminate()
    await asyncio.wait_for(again.wait(), 10)
    assert [end["reason"] for end in rig.state.ended["se-late"]] == ["client_closed"]
