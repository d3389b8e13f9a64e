"""Row 15: nothing reusable reaches the engineer. The machine's secret is the gateway's alone, and stays there."""

import re

import pytest

from openlockbox.gateway.contract import ConnectionRefused, Credential
from openlockbox.gateway.rdp import rdcleanpath
from openlockbox.gateway.secret_store import load_secret, write_secret
from openlockbox.grants.envelope import Kind, peek
from openlockbox.services import access
from tests.unit.gateway.stage import Stage

SECRET = "Kiln-Ember-4471"


def test_the_page_the_file_and_the_grant_name_the_secret_and_never_hold_it(world) -> None:
    grant = world.granted()
    for front in ("browser", "native"):
        offered = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front=front)
        handed = f"{offered.token} {offered.browser_url} {offered.native_password} {offered.rdp_file}"
        assert "vm-user" not in handed
        assert not re.search(r"(?m)^(password|username)", handed)
        token = peek(Kind.TOKEN, offered.token)
        assert set(token) == {
            "format", "jti", "grant_id", "engineer_id", "gateway_id", "front", "issued_at", "expires_at", "password_sha256",
        }  # fmt: skip
        assert offered.native_password is None or offered.native_password not in str(token)
    target = peek(Kind.GRANT, grant.wire)["target"]
    assert set(target) == {"address", "port", "security", "certificate_sha256", "secret_ref"}


def test_only_the_engineer_of_the_grant_is_offered_a_connection(world) -> None:
    from openlockbox.domain.errors import NotFound

    grant = world.granted()
    for other in ("wrenna", "maud", "senna", "oper"):
        with pytest.raises(NotFound):
            access.connect(world.lockbox, world.caller(other), grant_id=grant.id, front="browser")


def test_neither_a_refusal_nor_an_answer_of_the_gateway_shows_the_secret(stage: Stage) -> None:
    directory = stage.root / "secrets"
    write_secret(directory, "vm1", Credential(username="u", password=SECRET), tenant_id="contoso")
    credential = load_secret(directory, "vm1", tenant_id="contoso")
    assert SECRET not in f"{credential!r} {credential}"
    (directory / "vm1.json").write_text(f'{{"tenant": "contoso", "password": "{SECRET}"')
    with pytest.raises(ConnectionRefused) as refused:
        load_secret(directory, "vm1", tenant_id="contoso")
    assert SECRET not in f"{refused.value!r} {refused.value.__notes__}"
    assert refused.value.__cause__ is None  # a JSON error holds the whole file
    assert SECRET.encode() not in rdcleanpath.response(x224=b"", certificate=b"leaf", server_addr="target")
