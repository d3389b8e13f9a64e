"""`lockbox signing-key …`: for customers' automations, on their own machine. The private key never leaves its file."""

import json
import sys
from pathlib import Path

import click
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from openlockbox.cli.session import table
from openlockbox.grants.keys import Ed25519Signer, encode_public_key

TOKEN = click.option("--token", envvar="LOCKBOX_TOKEN", hidden=True, help="Use the environment variable LOCKBOX_TOKEN.")
SERVER = click.option("--server", required=True, metavar="URL", help="The portal's address, https://…")
KEY_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
API = "/api/v1"
JSON = "application/json"


@click.group("signing-key")
def signing_key() -> None:
    """Keys with which a customer's automation signs decisions."""


@signing_key.command("new")
@KEY_FILE
def new(file: Path) -> None:
    """Make an Ed25519 key in FILE, mode 0600, and print its id and its public key."""
    from openlockbox.gateway.private_files import write_private

    if file.exists():
        raise click.ClickException(f"{file} is there already; a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signer = Ed25519Signer(key)
    click.echo(f"{signer.key_id} {encode_public_key(signer.public_key)}")


@signing_key.command("add")
@SERVER
@TOKEN
@click.option("--name", required=True, help="What it is for.")
@KEY_FILE
def add(server: str, token: str | None, name: str, file: Path) -> None:
    """Add the key in FILE to the account of LOCKBOX_TOKEN, which needs the scopes profile.read and signing_keys.write."""
    from openlockbox.auditor.server import Server
    from openlockbox.grants.assertion import sign_text
    from openlockbox.services.passkeys import signing_key_statement

    signer = load_signer(file)
    public_key = encode_public_key(signer.public_key)
    with Server(server, token or "") as connection:
        me = json.loads(connection.get(f"{API}/me"))["person"]["id"]
        proof = sign_text(signing_key_statement(me, public_key), signer)
        body = json.dumps({"name": name, "public_key": public_key, "proof": proof}).encode()
        connection.post(f"{API}/signing-keys", body, JSON)
    click.echo(f"{signer.key_id} signs for {me} once the organization's roster lists it.")


@signing_key.command("list")
@SERVER
@TOKEN
def list_keys(server: str, token: str | None) -> None:
    """List the keys of the account of LOCKBOX_TOKEN, passkeys too."""
    from openlockbox.auditor.server import Server

    with Server(server, token or "") as connection:
        found = json.loads(connection.get(f"{API}/signing-keys"))
    if found:
        table([(key["key_id"], key["kind"], key["name"]) for key in found])


@signing_key.command("remove")
@SERVER
@TOKEN
@click.argument("key_id")
def remove(server: str, token: str | None, key_id: str) -> None:
    """Take an automation's key off the account of LOCKBOX_TOKEN for good."""
    from openlockbox.auditor.server import Server

    if not key_id.isalnum():  # it becomes a part of an address
        raise click.BadParameter("this is no key's id", param_hint="KEY_ID")
    with Server(server, token or "") as connection:
        connection.post(f"{API}/signing-keys/{key_id}/remove", b"{}", JSON)


@signing_key.command("sign")
@KEY_FILE
def sign(file: Path) -> None:
    """Sign the statement on standard input, byte for byte, and print the signature. Read it first: what is signed counts."""
    from openlockbox.grants.assertion import sign_text

    click.echo(sign_text(sys.stdin.buffer.read().decode("utf-8"), load_signer(file)))


def load_signer(file: Path) -> Ed25519Signer:
    """Load a key that `new` made.

    Raises:
        UnsafeFile: others may read it.
        ClickException: it holds no such key.
    """
    from openlockbox.gateway.private_files import read_private

    try:
        key = load_pem_private_key(read_private(file), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise click.ClickException(f"{file} holds no private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise click.ClickException(f"{file} holds no Ed25519 key")
    return Ed25519Signer(key)
