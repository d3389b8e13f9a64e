"""Connections are counted from accept on: silent ones too, with and without TLS, on both fronts."""

import asyncio
import contextlib
import resource
import ssl
from dataclasses import replace

import pytest

from openlockbox.gateway import connections
from openlockbox.gateway.connections import Connections, TooManyConnections, raise_descriptor_limit

MOST = 3


@pytest.fixture(params=["clear", "tls"])
async def narrow(rig, request):
    """Run a gateway for three connections; the rest of the settings as they are."""
    files = rig.settings.files
    tls = (files.tls_certificate, files.tls_key) if request.param == "tls" else None
    rig.settings = replace(rig.settings, max_connections=MOST, browser_tls=tls)
    async with rig.running():
        yield rig


async def silent(rig, front):
    return await asyncio.open_connection("127.0.0.1", rig.ports[f"{front}_port"])


async def is_dropped(reader):
    try:
        return await asyncio.wait_for(reader.read(1), 0.3) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


async def health(rig):
    """Ask for the health over whatever the browser front speaks."""
    context = None
    if rig.settings.browser_tls is not None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.ports["browser_port"], ssl=context)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await asyncio.wait_for(reader.readline(), 3)
    writer.transport.abort()
    return answer


@pytest.mark.parametrize("front", ["browser", "native"])
async def test_a_connection_that_says_nothing_counts_and_one_too_many_is_dropped(narrow, front):
    held = [await silent(narrow, front) for _ in range(MOST)]
    assert [await is_dropped(reader) for reader, _ in held] == [False] * MOST
    for other in ("browser", "native"):
        reader, writer = await silent(narrow, other)
        assert await is_dropped(reader)
        writer.transport.abort()
    for _, writer in held:
        writer.transport.abort()


async def test_a_closed_connection_makes_room(narrow):
    held = [await silent(narrow, "browser") for _ in range(MOST)]
    for _, writer in held:
        writer.transport.abort()
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(OSError):
                if (await health(narrow)).startswith(b"HTTP/1.1 200"):
                    break
    for _ in range(2 * MOST):  # each is forgotten once, and only once
        assert (await health(narrow)).startswith(b"HTTP/1.1 200")


async def test_a_client_that_never_finishes_tls_is_let_go(rig, monkeypatch):
    monkeypatch.setattr(connections, "TLS_SECONDS", 0.2)
    files = rig.settings.files
    rig.settings = replace(rig.settings, browser_tls=(files.tls_certificate, files.tls_key), max_connections=1)
    async with rig.running():
        reader, writer = await silent(rig, "browser")
        assert await asyncio.wait_for(reader.read(1), 3) == b""
        writer.transport.abort()
        assert (await health(rig)).startswith(b"HTTP/1.1 200")


async def test_one_address_has_only_so_many_connections(rig):
    rig.settings = replace(rig.settings, max_connections_per_address=1)
    async with rig.running():
        _, first = await silent(rig, "native")
        reader, second = await silent(rig, "native")
        assert await is_dropped(reader)
        # A proxy's address stands for many browsers, so without TLS of its own the browser front has no such limit.
        browsers = [await silent(rig, "browser") for _ in range(MOST)]
        assert [await is_dropped(reader) for reader, _ in browsers] == [False] * MOST
        for writer in (first, second, *(writer for _, writer in browsers)):
            writer.transport.abort()


def test_a_refused_connection_is_not_counted():
    count = Connections(most=2)
    count.add("a", most_per_address=1)
    with pytest.raises(TooManyConnections, match="address"):
        count.add("a", most_per_address=1)
    count.add("b", most_per_address=1)
    with pytest.raises(TooManyConnections, match="all"):
        count.add("c", most_per_address=1)
    count.remove("a")
    count.add("a", most_per_address=1)


def test_the_gateway_may_open_as_many_files_as_the_system_lets_it():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
