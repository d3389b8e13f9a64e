import re
from datetime import timedelta
from pathlib import Path

import pytest

from openlockbox.config import (
    Address,
    InvalidSettings,
    MailSecurity,
    find_file,
    load_settings,
    parse_address,
    parse_duration,
    parse_settings,
    setting_names,
)

ROOT = Path(__file__).parents[2]
BASE = Path("/srv/lockbox")
URL = {"base_url": "https://lockbox.example"}


def parse(document=None, **environment):
    return parse_settings(URL | (document or {}), environment, base=BASE)


def test_defaults_are_those_of_the_specification():
    settings = parse()
    assert settings.rules.queue_time == timedelta(days=4)
    assert settings.rules.access_duration == timedelta(hours=8)


def test_values_of_the_file_are_typed():
    settings = parse(
        {
            "web": {"port": 80},
            "mail": {"security": "tls", "timeout": "3s"},
            "gateway": {
                "native_listen": "[::1]:3390",
                "allowed_origins": ["https://a.example"],
                "max_connections_per_address": 300,
            },
        }
    )
    assert settings.web.port == 80
    assert settings.mail.security is MailSecurity.TLS
    assert settings.mail.timeout == timedelta(seconds=3)
    assert settings.gateway.native_listen == Address(host="::1", port=3390)
    assert settings.gateway.max_connections_per_address == 300
    assert settings.gateway.allowed_origins == ("https://a.example",)


def test_a_variable_wins_over_the_file():
    settings = parse(
        {"web": {"port": 80}}, LOCKBOX_WEB__PORT="81", LOCKBOX_GATEWAY__ALLOWED_ORIGINS="https://a, https://b"
    )
    assert settings.web.port == 81
    assert settings.gateway.allowed_origins == ("https://a", "https://b")


def test_paths_are_relative_to_the_file():
    settings = parse({"keys": {"directory": "k"}, "policy": {"directory": "/etc/rules"}})
    assert settings.keys.directory == BASE / "k"
    assert settings.policy.directory == Path("/etc/rules")
    assert settings.gateway.state_directory == BASE / "gateway"


@pytest.mark.parametrize(
    "url,located",
    [
        ("sqlite:///lockbox.db", "sqlite:////srv/lockbox/lockbox.db"),
        ("sqlite:////var/lib/lockbox.db", "sqlite:////var/lib/lockbox.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql://lockbox@db/lockbox", "postgresql://lockbox@db/lockbox"),
    ],
)
def test_a_relative_sqlite_file_lies_beside_the_settings(url, located):
    assert parse({"database": {"url": url}}).database.url == located


@pytest.mark.parametrize(
    "document,said",
    [
        ({"web": {"prot": 1}}, "web.prot"),
        ({"clock": {"offset": "1h"}}, "clock"),
        ({"web": 1}, "section"),
        ({"web": {"port": "80"}}, "web.port"),
        ({"web": {"port": True}}, "web.port"),
        ({"web": {"port": -1}}, "web.port"),
        ({"web": {"port": 70_000}}, "port"),
        ({"mail": {"security": "ssl"}}, "none, starttls, tls"),
        ({"rules": {"queue_time": "0d"}}, "rules.queue_time"),
        ({"rules": {"queue_time": 4}}, "rules.queue_time"),
        ({"gateway": {"native_listen": "3389"}}, "gateway.native_listen"),
        ({"gateway": {"allowed_origins": "https://a"}}, "gateway.allowed_origins"),
        ({"gateway": {"tls_key": "k.pem"}}, "tls_certificate"),
        ({"keys": {"directory": ""}}, "keys.directory"),
        ({"base_url": ""}, "base_url"),
        ({"base_url": "lockbox.example"}, "base_url"),
        ({"base_url": "https://lockbox.example/portal"}, "base_url"),
        ({"base_url": "http://lockbox.example"}, "https"),
    ],
)
def test_what_cannot_be_used_refuses_to_start_and_says_which(document, said):
    with pytest.raises(InvalidSettings, match=re.escape(said)):
        parse(document)


def test_an_unknown_variable_refuses_to_start():
    with pytest.raises(InvalidSettings, match="LOCKBOX_WEB__PRT"):
        parse(LOCKBOX_WEB__PRT="1")


def test_localhost_alone_may_do_without_https():
    assert not parse({"base_url": "http://localhost:8400/"}).is_encrypted
    assert parse().is_encrypted


def test_no_setting_moves_a_clock():
    assert not [name for name in setting_names() if re.search("clock|now|offset|skew", name)]


def test_a_password_is_not_in_the_repr():
    assert "geheim" not in repr(parse({"mail": {"password": "geheim"}}))


@pytest.mark.parametrize("text", ["", "4", "d", "-4d", "4 d", "1.5h", "0s", "4w", "4D"])
def test_a_length_needs_number_and_unit(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":80", "host:port", "host:70000", "::1:80", "[::1]", "[host]:80"]
)
def test_an_address_needs_host_and_port(text):
    with pytest.raises(ValueError, match="address"):
        parse_address(text)


@pytest.mark.parametrize("text", ["host:80", "[::1]:80", "127.0.0.1:0"])
def test_an_address_is_written_as_it_is_read(text):
    assert str(parse_address(text)) == text


def test_the_file_is_found_by_option_then_by_variable(tmp_path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.touch()
    two.touch()
    assert find_file(str(one), {"LOCKBOX_CONFIG": str(two)}) == one
    assert find_file(None, {"LOCKBOX_CONFIG": str(two)}) == two
    with pytest.raises(InvalidSettings, match="lockbox init"):
        find_file(str(tmp_path / "none.toml"), {})


def test_a_broken_file_is_named(tmp_path):
    file = tmp_path / "lockbox.toml"
    file.write_text("base_url = ")
    with pytest.raises(InvalidSettings, match=r"lockbox\.toml"):
        load_settings(file, {})


def test_every_setting_is_documented_and_no_other():
    table = re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs/operate/settings.md").read_text(), flags=re.MULTILINE)
    assert sorted(table) == sorted(setting_names())


def test_passkeys_belong_to_the_portals_host_unless_set_otherwise():
    assert (parse().passkey_rp_id, parse().passkey_origins) == ("lockbox.example", ("https://lockbox.example",))
    assert parse({"base_url": "https://Lockbox.example:443"}).passkey_origins == ("https://lockbox.example",)
    assert parse({"base_url": "http://localhost:8400"}).passkey_origins == ("http://localhost:8400",)
    settings = parse({"web": {"passkey_rp_id": "example", "passkey_origins": ["https://a.example", "https://example"]}})
    assert (settings.passkey_rp_id, settings.passkey_origins) == ("example", ("https://a.example", "https://example"))


@pytest.mark.parametrize(
    "web",
    [
        {"passkey_rp_id": "other.example"},
        {"passkey_rp_id": "ockbox.example"},
        {"passkey_origins": ["https://lockbox.example/"]},
        {"passkey_origins": ["lockbox.example"]},
        {"passkey_origins": ["https://lockbox.example.evil.example"]},
    ],
)
def test_passkeys_that_no_browser_would_use_are_refused(web):
    with pytest.raises(InvalidSettings, match=r"web\.passkey_"):
        parse({"web": web})
