"""The real main file, with the real fronts: starts, holds its lease, and stops in order at SIGTERM."""

import asyncio
import resource
import sys

import httpx

MAIN = """
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path
from openlockbox.gateway.main import run_gateway
from tests.integration.gateway.core.child import settings_for
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
run_gateway(settings_for(Path(sys.argv[1]), sys.argv[2]), clock=lambda: datetime.now(UTC))
"""


async def test_the_process_starts_holds_its_lease_and_stops_at_sigterm(rig, control_plane):
    root = str(rig.settings.state_dir.parent)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, root, control_plane.url, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            await rig.leased()
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{rig.ports['browser_port']}/healthz")
        assert answer.text == "ok\n"
        soft, hard = resource.prlimit(child.pid, resource.RLIMIT_NOFILE)
        assert soft == hard
        child.terminate()
        _, log = await asyncio.wait_for(child.communicate(), 10)
        assert child.returncode == 0
        assert b"gateway.ready" in log
        assert log.rstrip().endswith(b"gateway.stopped")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
