"""`lockbox roster …`, `lockbox decide` and the operator's codes: the customer's commands against a real server."""

import os
import re
import socket
import threading

import click
import pytest
import uvicorn
from click.testing import CliRunner

from openlockbox.adapters.db import SqlDatabase
from openlockbox.cli.decide import check_statement
from openlockbox.cli.main import main
from openlockbox.domain.lockbox_request import RequestState
from openlockbox.grants.statement import open_statement
from openlockbox.services import roster
from openlockbox.web.app import create_app
from openlockbox.web.settings import WebSettings
from tests.integration.web.conftest import WebWorld
from tests.world import AMBERTIDE, build_world


@pytest.fixture
def server(sqlite_url, tmp_path):
    database = SqlDatabase(sqlite_url, salt=os.urandom)
    built = build_world(database, tmp_path)
    world = WebWorld(lockbox=built.lockbox, clock=built.clock, keys=built.keys)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = create_app(world.lockbox, WebSettings(base_url=address, cookie_secure=False, csrf_secret=b"c" * 32))
        world.app = app
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        with world.runner:
            yield world, address
        running.should_exit = True
        thread.join()
    database.close()


def run(*words, token="", typed=None):
    result = CliRunner().invoke(main, [*map(str, words)], env={"LOCKBOX_TOKEN": token}, input=typed)
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def automated(server, tmp_path):
    """Return a world whose first rostered key is an automation of Senna's, all by commands and the API."""
    world, address = server
    token, file = world.token("senna"), tmp_path / "ci.pem"
    key_id, _ = run("signing-key", "new", file).stdout.split()
    assert run("signing-key", "add", "--server", address, "--name", "ci", file, token=token).exit_code == 0
    code = roster.issue_code(world.lockbox, tenant_id=AMBERTIDE)
    text = world.api("senna", "POST", "/tenants/ambertide/roster/proposal", {"add": [key_id]}).json()["text"]
    signed = run("roster", "sign", file, typed=text)
    assert f"lists {key_id} ed25519 of senna" in signed.stderr
    sent = ("roster", "submit", "--server", address, "--tenant", "ambertide")
    assert "roster_code_wrong" in run(*sent, token=token, typed=signed.stdout).stderr
    taken = run(*sent, "--code", code, token=token, typed=signed.stdout)
    assert taken.exit_code == 0, taken.stderr
    world.passkey("idris")
    return world, address, token, file, key_id


def show(address, token, *more):
    return run("roster", "show", "--server", address, "--tenant", "ambertide", *more, token=token)


def test_the_operator_gives_out_codes(customer):
    said = customer.ok("tenant", "roster-code", "ambertide")
    assert re.search(r"\n  [\w-]{43}\n", said)
    assert re.search(
        r"\n  [\w-]{43}\n", customer.ok("tenant", "add", "pelimoor", "--name", "Pelimoor", "--plan", "basic")
    )
    assert "not_found" in customer.refused("tenant", "roster-code", "ostervane")


def test_a_roster_is_shown_only_when_every_signature_holds(server, automated):
    world, address, token, _, key_id = automated
    shown = show(address, token)
    assert shown.exit_code == 0
    assert key_id in shown.stdout
    assert "unsigned decisions do not count" in shown.stdout
    root = roster.read(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE).root
    assert show(address, token, "--root", f"{root[:4]} {root[4:].upper()}").exit_code == 0
    assert "roster_root" in show(address, token, "--root", "0" * 64).stderr


def test_without_a_roster_there_is_nothing_to_show(server):
    world, address = server
    assert "has no approver roster" in show(address, world.token("senna")).stdout


def test_an_automation_approves_and_denies(automated):
    world, address, token, file, key_id = automated
    base = ("decide", "--server", address, "--tenant", "ambertide", "--key", file, "--reason", "Nightly.")
    one, other = world.pending(channels=frozenset({"clipboard"})), world.pending()
    done = run(*base, "--duration", "PT1H", "--no-channels", one.id, "approve", token=token)
    assert done.exit_code == 0, done.stderr
    assert key_id in done.stdout
    assert run(*base, other.id, "deny", token=token).exit_code == 0
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        approved, denied = uow.lockbox_requests.get(one.id), uow.lockbox_requests.get(other.id)
        granted = uow.grants.find_of_request(one.id)
    assert (approved.decision.method, approved.decision.key_id) == ("ed25519", key_id)
    assert (granted.not_after - granted.not_before).total_seconds() == 3600
    assert granted.elevation.channels == frozenset()
    assert (denied.state, denied.decision.reason) == (RequestState.DENIED, "Nightly.")
    assert "already_decided" in run(*base, one.id, "deny", token=token).stderr
    file.chmod(0o644)
    assert run(*base, world.pending().id, "deny", token=token).exit_code == 1


def test_the_api_takes_signed_decisions_and_shows_them(automated):
    world, *_ = automated
    senna = world.passkey("senna")
    request = world.pending()
    path = f"/tenants/ambertide/requests/{request.id}"
    offered = world.api("senna", "POST", f"{path}/statement", {"answer": "approve", "digest": request.digest}).json()
    assert (offered["is_signature_required"], offered["hindrance"], len(offered["key_ids"])) == (True, "", 1)
    text = offered["statement"]
    refused = world.api(
        "senna", "POST", f"{path}/decision", {"statement": text, "signature": senna.sign_statement(text)}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "signature_wrong")
    unsigned = world.api("senna", "POST", f"{path}/approve", {"digest": request.digest})
    assert (unsigned.status_code, unsigned.json()["code"]) == (403, "signature_required")


@pytest.mark.parametrize(
    "change",
    [{"answer": "deny"}, {"duration": "PT1H"}, {"permission": "read"}, {"channels": []}, {"reason": "else"}],
)
def test_a_server_that_writes_down_something_else_gets_no_signature(world_statement, change):
    statement, displayed, chosen, about = world_statement
    check_statement(statement, displayed, chosen, **about)
    with pytest.raises(click.ClickException):
        check_statement(statement, displayed, chosen | change, **about)
    with pytest.raises(click.ClickException):
        check_statement(statement, displayed + " ", chosen, **about)
    for wrong in ({"tenant": "pelimoor"}, {"request_id": "LBX-0"}):
        with pytest.raises(click.ClickException):
            check_statement(statement, displayed, chosen, **(about | wrong))


@pytest.fixture
def world_statement(server):
    world, _ = server
    request = world.pending(channels=frozenset({"clipboard"}))
    statement = world.to_sign(request).statement
    assert open_statement(statement).channels == ("clipboard",)
    chosen = {"answer": "approve", "duration": None, "permission": None, "channels": None, "reason": ""}
    return statement, request.displayed, chosen, {"tenant": "ambertide", "request_id": request.id}
