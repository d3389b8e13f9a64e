"""Secrets: only this account may reach them, and only under a plain name."""

import os

import pytest

from openlockbox.gateway.contract import ConnectionRefused, Credential
from openlockbox.gateway.secret_store import SecretInvalid, list_secrets, load_secret, remove_secret, write_secret

CREDENTIAL = Credential(username="lockbox1", password="s3cret ü", domain="")


@pytest.fixture
def secrets(tmp_path):
    directory = tmp_path / "secrets"
    write_secret(directory, "vm1.operate", CREDENTIAL, tenant_id="contoso")
    return directory


def refused(directory, name="vm1.operate"):
    with pytest.raises(ConnectionRefused) as refusal:
        load_secret(directory, name, tenant_id="contoso")
    assert refusal.value.code == "secret_missing"
    assert refusal.value.__cause__ is None
    return refusal


def test_a_secret_comes_back_from_files_that_only_the_owner_reads(secrets):
    assert load_secret(secrets, "vm1.operate", tenant_id="contoso") == CREDENTIAL
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert (secrets / "vm1.operate.json").stat().st_mode & 0o777 == 0o600
    assert list_secrets(secrets) == ["vm1.operate"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_file_open_to_others_is_refused(secrets, mode):
    (secrets / "vm1.operate.json").chmod(mode)
    refused(secrets)


def test_another_tenants_grant_gets_no_secret(secrets):
    with pytest.raises(ConnectionRefused) as refusal:
        load_secret(secrets, "vm1.operate", tenant_id="fabrikam")
    assert refusal.value.code == "secret_of_other_tenant"


def test_a_secret_belongs_to_a_tenant(secrets):
    with pytest.raises(SecretInvalid):
        write_secret(secrets, "new", CREDENTIAL, tenant_id="")


def test_a_directory_open_to_others_is_refused(secrets):
    secrets.chmod(0o750)
    refused(secrets)


@pytest.mark.needs_root
@pytest.mark.needs_root
def test_a_file_of_another_owner_is_refused(secrets):
    os.chown(secrets / "vm1.operate.json", 12345, 12345)
    refused(secrets)


def test_a_link_is_not_followed(secrets):
    (secrets / "other.json").symlink_to(secrets / "vm1.operate.json")
    refused(secrets, "other")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-x", ".hidden", "a" * 65, "a\n", "ü", "a\x00"])
def test_a_name_that_is_no_plain_name_is_refused(secrets, name):
    with pytest.raises(SecretInvalid):
        write_secret(secrets, name, CREDENTIAL, tenant_id="contoso")
    with pytest.raises(SecretInvalid):
        remove_secret(secrets, name)
    refused(secrets, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"tenant": "contoso", "username": 1, "password": "x", "domain": ""}',
        '{"username": "pw-in-text"',
        "[" * 100_000,
    ],
)
def test_a_malformed_secret_is_refused_without_showing_it(secrets, text):
    (secrets / "vm1.operate.json").write_text(text)
    assert "pw-in-text" not in repr(refused(secrets).value.__notes__)


def test_a_credential_never_shows_itself():
    assert "s3cret" not in repr(CREDENTIAL)


@pytest.mark.parametrize("bad", [Credential(username="", password="x"), Credential(username="x", password="a\x00b")])
def test_a_value_that_cannot_be_used_is_not_stored(secrets, bad):
    with pytest.raises(SecretInvalid):
        write_secret(secrets, "new", bad, tenant_id="contoso")
    assert list_secrets(secrets) == ["vm1.operate"]


def test_a_removed_secret_is_gone(secrets):
    remove_secret(secrets, "vm1.operate")
    refused(secrets)
