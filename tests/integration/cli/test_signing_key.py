"""`lockbox signing-key …` against a real server, as a customer's automation runs it."""

import os
import socket
import stat
import threading

import pytest
import uvicorn
from click.testing import CliRunner

from openlockbox.adapters.db import SqlDatabase
from openlockbox.cli.main import main
from openlockbox.grants.assertion import SignatureRefused, verify_text
from openlockbox.grants.encoding import parse_b64url
from openlockbox.web.app import create_app
from openlockbox.web.settings import WebSettings
from tests.integration.web.conftest import WebWorld
from tests.world import build_world


@pytest.fixture
def server(sqlite_url, tmp_path):
    database = SqlDatabase(sqlite_url, salt=os.urandom)
    built = build_world(database, tmp_path)
    world = WebWorld(lockbox=built.lockbox, clock=built.clock, keys=built.keys)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = create_app(world.lockbox, WebSettings(base_url=address, cookie_secure=False, csrf_secret=b"c" * 32))
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        yield world, address
        running.should_exit = True
        thread.join()
    database.close()


def run(*words, token="", typed=None):
    result = CliRunner().invoke(main, ["signing-key", *map(str, words)], env={"LOCKBOX_TOKEN": token}, input=typed)
    assert "Traceback" not in result.output
    return result


def test_a_key_is_made_once_private_and_signs(tmp_path):
    file = tmp_path / "ci.pem"
    made = run("new", file)
    _, public_key = made.stdout.split()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("new", file).exit_code == 1
    assert "is there already" in run("new", file).stderr
    signature = run("sign", file, typed='{"a":"é"}').stdout.strip()
    verify_text(signature, '{"a":"é"}', parse_b64url(public_key))
    with pytest.raises(SignatureRefused):
        verify_text(signature, '{"a":"e"}', parse_b64url(public_key))


def test_a_file_that_others_may_read_or_without_a_key_signs_nothing(tmp_path):
    file = tmp_path / "ci.pem"
    run("new", file)
    file.chmod(0o644)
    assert run("sign", file, typed="x").exit_code == 1
    file.chmod(0o600)
    file.write_text("no key")
    assert "holds no private key" in run("sign", file, typed="x").stderr


def test_a_key_is_added_listed_and_removed(server, tmp_path):
    world, address = server
    token, file = world.token("senna"), tmp_path / "ci.pem"
    key_id, _ = run("new", file).stdout.split()
    added = run("add", "--server", address, "--name", "Nightly", file, token=token)
    assert (added.exit_code, key_id in added.stdout) == (0, True)
    assert run("list", "--server", address, token=token).stdout.split() == [key_id, "ed25519", "Nightly"]
    again = run("add", "--server", address, "--name", "Nightly", file, token=world.token("orla"))
    assert again.exit_code == 1
    assert run("remove", "--server", address, key_id, token=world.token("orla")).exit_code == 1
    assert run("remove", "--server", address, "../tokens", token=token).exit_code == 2
    assert run("remove", "--server", address, key_id, token=token).exit_code == 0
    assert run("list", "--server", address, token=token).stdout == ""
    without = world.token("senna", scopes=frozenset({"profile.read"}))
    assert "token_scope_missing" in run("remove", "--server", address, key_id, token=without).stderr
