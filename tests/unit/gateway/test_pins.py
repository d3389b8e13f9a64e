"""Pins: private files that only move forward; a damaged one is no first contact."""

import json
from dataclasses import replace

import pytest

from openlockbox.gateway.pins import Pins, PinUnusable
from openlockbox.gateway.private_files import UnsafeFile
from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.pin import TenantPin, decode_pin, encode_pin

PIN = TenantPin(
    tenant_id="contoso",
    roster_root="aa" * 32,
    roster_version=2,
    roster_digest="bb" * 32,
    log_size=7,
    log_root="cc" * 32,
)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "tenants"


@pytest.fixture
def pins(directory):
    kept = Pins(directory, first_contact=False)
    kept.keep(PIN)
    return kept


def file_of(directory):
    (file,) = directory.glob("*.json")
    return file


def test_a_pin_comes_back_from_a_private_file(pins, directory):
    assert pins.find("contoso") == PIN
    assert pins.all() == [PIN]
    assert file_of(directory).stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700


def test_an_unknown_tenant_is_pinned_only_where_a_first_contact_is_allowed(pins, directory):
    assert pins.find("fabrikam") is None
    assert Pins(directory, first_contact=True).find("fabrikam") == TenantPin(tenant_id="fabrikam")


@pytest.mark.parametrize(
    "back",
    [
        {"roster_root": "ab" * 32},
        {"roster_root": "", "roster_version": 0, "roster_digest": ""},
        {"roster_version": 1},
        {"roster_digest": "ab" * 32},
        {"log_size": 6},
        {"log_root": "ab" * 32},
    ],
)
def test_a_pin_never_goes_back(pins, back):
    with pytest.raises(PinUnusable):
        pins.keep(replace(PIN, **back))
    assert pins.find("contoso") == PIN


def test_a_pin_moves_forward(pins):
    later = replace(PIN, roster_version=3, roster_digest="dd" * 32, log_size=9, log_root="ee" * 32)
    pins.keep(later)
    assert pins.find("contoso") == later


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "[" * 100_000])
def test_a_damaged_pin_is_no_first_contact(pins, directory, text):
    file_of(directory).write_text(text)
    with pytest.raises(PinUnusable):
        Pins(directory, first_contact=True).find("contoso")


def test_another_tenants_file_in_its_place_is_refused(pins, directory):
    file_of(directory).write_text(json.dumps(encode_pin(replace(PIN, tenant_id="fabrikam"))))
    with pytest.raises(PinUnusable):
        pins.find("contoso")


def test_a_pin_that_others_could_change_is_refused(pins, directory):
    file_of(directory).chmod(0o660)
    with pytest.raises(UnsafeFile):
        pins.find("contoso")
    file_of(directory).chmod(0o600)
    directory.chmod(0o770)
    with pytest.raises(UnsafeFile):
        pins.find("contoso")


@pytest.mark.parametrize(
    "field, value",
    [
        ("roster_version", 0),
        ("roster_digest", ""),
        ("roster_root", ""),
        ("log_size", 0),
        ("log_root", ""),
        ("format", 2),
    ],
)
def test_a_pin_that_does_not_fit_together_is_refused(field, value):
    with pytest.raises(EnvelopeRefused):
        decode_pin(encode_pin(PIN) | {field: value})
