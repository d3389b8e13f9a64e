"""The displayed request and the decision statement are read strictly: one form, nothing beside it."""

import json
from datetime import timedelta

import pytest

from openlockbox.grants.displayed import open_displayed
from openlockbox.grants.encoding import EnvelopeRefused, canonical_bytes
from openlockbox.grants.statement import open_statement
from tests.unit.grants.material import ENGINEER, PLAIN, RESOURCE, STRICT, TENANT, requester_key, statement


def changed(text: str, path: str, value: object) -> str:
    document = json.loads(text)
    *parents, last = path.split("/")
    part = document
    for parent in parents:
        part = part[parent]
    if value is None and last.startswith("-"):
        del part[last[1:]]
    else:
        part[last] = value
    return canonical_bytes(document).decode()


def test_a_displayed_request_is_read():
    shown = open_displayed(STRICT)
    assert (shown.id, shown.tenant_id, shown.resource_id) == ("lr-1", TENANT, RESOURCE)
    assert shown.target.secret_refs == {"read": "vm1.read", "operate": "vm1.operate"}
    assert shown.duration == timedelta(hours=8)
    assert shown.roster_version == 1
    assert shown.requester_key is not None
    assert shown.requester_key.key_id == ENGINEER.key_id
    assert open_displayed(PLAIN).requester_key is None


@pytest.mark.parametrize(
    "path, value",
    [
        ("type", "x"), ("id", "../x"), ("tenant/id", ""), ("tenant/more", 1), ("provider/name", ""), ("requester/id", ""),
        ("requester/name", 1), ("requester/isolated_identity", 1), ("requester/mfa_at", "now"), ("requester/-key", None),
        ("requester/key", {}), ("resource/target", None), ("resource/-target", None), ("resource/target/port", 0),
        ("resource/target/secret_refs", {}), ("resource/target/secret_refs", {"read": "../x"}),
        ("resource/target/secret_refs", {"read": 1}), ("resource/target/certificate_sha256", "x"),
        ("resource/target/secret_ref", "x"), ("channels", ["b", "a"]), ("channels", [1]), ("duration_s", 0),
        ("duration_s", 10**9), ("approvers", ["b", "a"]), ("roster_version", -1), ("roster_version", True),
        ("-roster_version", None), ("created_at", "2026-05-04T07:30:00"), ("answer_by", "2020-01-01T00:00:00+00:00"),
        ("verdict/reasons", [{}]), ("verdict/reasons", [{"rule": "r", "outcome": "o", "texts": {"en": 1}}]),
        ("service_request/title", 1), ("justification", "x" * 40_000), ("more", 1),
    ],
)  # fmt: skip
def test_a_displayed_request_of_another_form_is_refused(path, value):
    with pytest.raises(EnvelopeRefused, match="payload_malformed"):
        open_displayed(changed(STRICT, path, value))


@pytest.mark.parametrize(
    "key",
    [{"kind": "rsa"}, {"kind": "passkey"}, {"credential_id": "AAAA"}, {"rp_id": ""}, {"origins": ["b", "a"]}, {"x": 1}],
)
def test_an_engineers_key_of_another_form_is_refused(key):
    with pytest.raises(EnvelopeRefused, match="payload_malformed"):
        open_displayed(changed(STRICT, "requester/key", requester_key() | key))


@pytest.mark.parametrize("text", ["", "{}", "[]", "\ud800", PLAIN + " ", "x" * 200_000])
def test_what_is_no_displayed_request_is_refused(text):
    with pytest.raises(EnvelopeRefused):
        open_displayed(text)


@pytest.mark.parametrize("version", [2, True, "1"])
def test_an_unknown_version_is_refused(version):
    with pytest.raises(EnvelopeRefused, match="format_unknown"):
        open_displayed(changed(PLAIN, "v", version))


def test_a_statement_is_read():
    said = open_statement(statement())
    assert said.channels == ("clipboard", "drive")
    assert said.roster_version == 0
    assert said.nonce == "AAECAwQFBgcICQoLDA0ODw"


@pytest.mark.parametrize(
    "path, value",
    [
        ("channels", ["b", "a"]), ("channels", "clipboard"), ("channels", [""]), ("-channels", None), ("nonce", ""),
        ("nonce", "AAAA"), ("nonce", "AAECAwQFBgcICQoLDA0ODw=="), ("nonce", 7), ("roster_version", -1),
        ("roster_version", True), ("roster_version", "1"), ("granted_seconds", 0), ("granted_seconds", None), ("by", ""),
    ],
)  # fmt: skip
def test_a_statement_of_another_form_is_refused(path, value):
    with pytest.raises(EnvelopeRefused, match="payload_malformed"):
        open_statement(changed(statement(), path, value))


def test_a_denial_grants_no_time():
    assert open_statement(statement(decision="deny", granted=None)).granted_duration is None
    with pytest.raises(EnvelopeRefused, match="payload_malformed"):
        open_statement(statement(decision="deny"))
