import re
import stat
from pathlib import Path

import click
import pyotp
import pytest

from openlockbox.bootstrap import bootstrap, close
from openlockbox.cli.main import COMMANDS, main
from openlockbox.config import load_settings
from openlockbox.domain.ids import ResourceId, TenantId
from openlockbox.services.ports import EntryFilter

VM = "/subscriptions/production/resourceGroups/kiln/providers/Microsoft.Compute/virtualMachines/vm-kiln-07"
PIN = "ab" * 32


@pytest.fixture
def lockbox_at():
    opened = []

    def open_it(console):
        opened.append(bootstrap(load_settings(console.directory / "lockbox.toml", {})))
        return opened[-1]

    yield open_it
    for lockbox in opened:
        close(lockbox)


def test_init_makes_files_for_its_own_account_only(console):
    for path in console.directory.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_init_never_touches_an_installation(console):
    before = {p: p.read_bytes() for p in console.directory.rglob("*") if p.is_file()}
    said = console.refused("init", str(console.directory), "--provider-name", "X", "--mail-sender", "x@x.example")
    assert "already" in said
    assert {p: p.read_bytes() for p in console.directory.rglob("*") if p.is_file()} == before


def test_an_init_that_fails_can_be_repeated(bare):
    said = bare.refused("init", str(bare.directory), "--provider-name", " ", "--mail-sender", "x@x.example")
    assert "invalid_input" in said
    assert not (bare.directory / "lockbox.toml").exists()


def test_without_an_installation_a_command_says_how_to_make_one(bare, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "lockbox init" in bare.refused("tenant", "list")


def test_a_refusal_is_one_line_with_its_code_and_advice(customer):
    said = customer.refused("tenant", "add", "ambertide", "--name", "Again", "--plan", "basic")
    assert said.count("\n") == 1
    assert "already_exists" in said
    assert "Choose another name or id." in said


def test_organizations_are_listed_with_plan_and_subscriptions(customer):
    customer.ok("tenant", "plan", "ambertide", "premier")
    listed = customer.ok("tenant", "list").splitlines()
    assert re.search(r"ambertide +customer +premier +Ambertide Ceramics +production", listed[0])
    assert re.search(r"ostervane +provider +- +Ostervane Cloud", listed[1])


def test_a_new_person_gets_a_second_factor_that_works(console):
    said = console.add_person("idris", "ostervane")
    secret = re.search(r"secret +([A-Z2-7]{32})", said)[1]
    assert pyotp.parse_uri(re.search(r"otpauth://\S+", said)[0]).secret == secret


def test_new_credentials_replace_the_second_factor(customer):
    old = customer.add_person("orla", "ambertide")
    new = customer.ok("person", "credentials", "orla", "--password-stdin", typed="another long password\n")
    assert re.search(r"secret +(\S+)", old)[1] != re.search(r"secret +(\S+)", new)[1]


def test_a_short_password_is_refused_before_the_person_is_added(customer):
    arguments = ("person", "add", "bram", "--tenant", "ambertide", "--name", "Bram", "--mail", "b@x.example")
    assert "password" in customer.refused(*arguments, "--password-stdin", typed="short\n")
    assert "bram" not in customer.ok("person", "list", "--tenant", "ambertide")


def test_a_password_is_never_printed(customer):
    assert "correct horse" not in customer.add_person("orla", "ambertide")


def test_roles_are_given_listed_and_taken(console):
    console.add_person("idris", "ostervane")
    console.ok("role", "add", "idris", "support_engineer")
    assert "idris  support_engineer" in console.ok("role", "list", "--tenant", "ostervane")
    console.ok("role", "remove", "idris", "support_engineer")
    assert "idris" not in console.ok("role", "list", "--tenant", "ostervane")


def test_once_a_customer_has_an_administrator_the_console_gives_no_more_roles(customer):
    customer.ok("role", "add", "senna", "subscription_owner", "--subscription", "production")
    customer.ok("role", "add", "senna", "tenant_administrator")
    customer.add_person("orla", "ambertide")
    assert "not_allowed" in customer.refused("role", "add", "orla", "lockbox_approver", "--subscription", "production")
    assert "invalid_input" in customer.refused("role", "remove", "senna", "subscription_owner")


def test_a_resource_has_its_target_pinned(customer, lockbox_at):
    customer.ok("gateway", "invite", "gateway-1", "--name", "First")
    arguments = ["resource", "add", VM, "--tenant", "ambertide", "--gateway", "gateway-1", "--target", "192.0.2.7:3389"]
    assert "certificate" in customer.refused(*arguments)
    colons = ":".join([PIN[:2].upper()] * 32)
    customer.ok(*arguments, "--certificate-sha256", colons, "--secret", "operate=kiln", "--security", "nla")
    with lockbox_at(customer).database.unit_of_work(read_only=True) as uow:
        target = uow.resources.get(ResourceId(VM.lower())).target
    assert (target.address, target.port, target.certificate_sha256) == ("192.0.2.7", 3389, PIN)
    assert target.secret_refs == (("operate", "kiln"),)
    assert "gateway-1" in customer.ok("resource", "list", "--tenant", "ambertide")


@pytest.mark.parametrize("wrong", ["operate", "owner=kiln", "operate="])
def test_a_secret_is_named_by_permission(customer, wrong):
    customer.ok("gateway", "invite", "gateway-1", "--name", "First")
    arguments = ["resource", "add", VM, "--tenant", "ambertide", "--gateway", "gateway-1", "--target", "192.0.2.7:3389"]
    assert "secret" in customer.refused(*arguments, "--certificate-sha256", PIN, "--secret", wrong)


def test_a_target_that_does_not_answer_gives_no_certificate(customer):
    arguments = ["resource", "add", VM, "--tenant", "ambertide", "--gateway", "g", "--target", "127.0.0.1:1"]
    assert "127.0.0.1:1" in customer.refused(*arguments, "--fetch-certificate")


def test_an_invitation_prints_its_code_alone_for_a_pipe(console):
    result = console.run("gateway", "invite", "gateway-1", "--name", "First")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", result.stdout)
    assert re.search(r"gateway-1 +invited", console.ok("gateway", "list"))


def test_a_secret_of_the_gateway_is_private_and_never_printed(console):
    said = console.ok(
        "gateway",
        "secret",
        "set",
        "kiln",
        "--tenant",
        "ambertide",
        "--username",
        "support",
        "--password-stdin",
        typed="hunter22\n",
    )
    assert "hunter22" not in said
    assert console.ok("gateway", "secret", "list") == "kiln\n"
    file = console.directory / "gateway" / "secrets" / "kiln.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    console.ok("gateway", "secret", "remove", "kiln")
    assert console.ok("gateway", "secret", "list") == ""


def test_a_secret_without_a_password_is_refused(console):
    arguments = (
        "gateway",
        "secret",
        "set",
        "kiln",
        "--tenant",
        "ambertide",
        "--username",
        "support",
        "--password-stdin",
    )
    console.refused(*arguments, typed="\n")


def test_a_customers_fingerprint_is_pinned_once_and_for_all(console):
    fingerprint = "ab" * 32
    console.ok("gateway", "trust", "ambertide", "--roster", ":".join(["AB"] * 32))
    console.ok("gateway", "trust", "ambertide", "--roster", fingerprint)  # the same again
    console.ok("gateway", "trust", "ambertide")  # takes nothing back
    assert "cd" * 32 not in console.refused("gateway", "trust", "ambertide", "--roster", "cd" * 32)
    assert re.search(rf"ambertide +roster {fingerprint} +version 0 +log 0", console.ok("gateway", "trust", "--list"))
    (file,) = (console.directory / "gateway" / "tenants").glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_customer_without_a_roster_is_pinned_at_the_first_contact_and_may_be_told_later(console):
    assert "first contact" in console.ok("gateway", "trust", "ambertide")
    console.ok("gateway", "trust", "ambertide", "--roster", "ab" * 32)
    assert "ab" * 32 in console.ok("gateway", "trust")


@pytest.mark.parametrize("wrong", ["", "ab", "ab" * 33, "zz" * 32])
def test_what_is_no_fingerprint_is_refused(console, wrong):
    assert "64" in console.refused("gateway", "trust", "ambertide", "--roster", wrong)
    assert console.ok("gateway", "trust", "--list") == ""


def test_a_gateway_that_is_not_enrolled_does_not_run(console):
    console.refused("gateway", "run")


def test_the_schema_can_be_upgraded_again(console):
    console.ok("database", "upgrade")
    console.ok("database", "check")


def test_a_database_of_another_version_is_refused_with_the_command_that_helps(console):
    (console.directory / "lockbox.db").unlink()
    assert "lockbox database upgrade" in console.refused("tenant", "list")


def test_a_database_that_does_not_answer_is_one_line(console):
    file = console.directory / "lockbox.toml"
    file.write_text(file.read_text().replace("sqlite:///lockbox.db", "postgresql://nobody@127.0.0.1:1/none"))
    said = console.refused("tenant", "list")
    assert said.startswith("Error: database: ")


def test_keys_that_others_could_read_are_refused(console):
    (console.directory / "keys").chmod(0o755)
    assert "keys" in console.refused("tenant", "list")


def test_the_keys_are_listed_by_purpose(console):
    assert re.fullmatch(
        r"(grants +[0-9a-f]{16}\n)(revocations +[0-9a-f]{16}\n)(checkpoints +[0-9a-f]{16}\n)",
        console.ok("keys", "list"),
    )


def test_what_the_operator_does_stands_in_the_customers_log(customer, lockbox_at):
    with lockbox_at(customer).database.unit_of_work(read_only=True) as uow:
        entries = uow.activity.entries(TenantId("ambertide"), EntryFilter())
    assert [e.event.code for e in reversed(entries)] == [
        "tenant.added",
        "roster.code_issued",
        "subscription.added",
        "principal.added",
        "credential.set",
    ]
    assert {e.event.actor for e in entries} == {"command-line"}


def test_every_command_has_help(bare):
    for name in COMMANDS:
        assert "Usage" in bare.ok(name, "--help")


def _leaves(command, name):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            yield from _leaves(command.get_command(context, part), f"{name} {part}")
    else:
        yield name


def test_every_command_is_documented_and_no_other():
    page = Path(__file__).parents[3] / "docs/operate/commands.md"
    assert sorted(re.findall(r"^\| `(lockbox [a-z -]+)` \|", page.read_text(), re.MULTILINE)) == sorted(
        _leaves(main, "lockbox")
    )
