"""The roster: what is read, who may change what, and that nothing is taken back."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from openlockbox.grants.assertion import SigningKey, name_key
from openlockbox.grants.encoding import b64url, canonical_bytes
from openlockbox.grants.roster import (
    Roster,
    RosterRefused,
    SignedBy,
    check_change,
    check_first,
    open_roster,
    open_signed,
    roster_text,
    signed_roster_text,
    verify_chain,
)
from openlockbox.testing.authenticator import SoftAuthenticator
from tests.unit.grants.material import (
    ADA,
    BEA,
    RECOVERY,
    ROSTER,
    STRANGER,
    roster,
    roster_key,
    sign_statement,
    signed_roster,
)

FIRST = open_roster(ROSTER)
KEYS = (roster_key(ADA, "principal-ada"), roster_key(BEA, "principal-bea"))
TWO = roster(*KEYS, quorum=2)
BEFORE = open_roster(TWO)


def code_of(check, *args) -> str:
    with pytest.raises(RosterRefused) as caught:
        check(*args)
    return caught.value.code


def following(*keys, **changes) -> str:
    """Return a version 2 after TWO."""
    return roster(*(keys or KEYS), version=2, previous=TWO, **({"quorum": 2} | changes))


def test_a_roster_is_written_as_it_is_read():
    assert roster_text(FIRST) == ROSTER
    assert open_roster(ROSTER).digest == FIRST.digest
    with pytest.raises(ValueError, match="roster_malformed"):
        roster_text(replace(FIRST, quorum=2))


WRONG_FIELDS = [
    {"type": "x"}, {"format": 2}, {"format": True}, {"tenant_id": ""}, {"version": 0}, {"version": 2}, {"previous": "x"},
    {"rp_id": ""}, {"origins": []}, {"origins": ["b", "a"]}, {"origins": ["a", "a"]}, {"origins": [1]}, {"keys": []},
    {"keys": [1]}, {"keys": [KEYS[0], KEYS[0]]}, {"keys": sorted(KEYS, key=lambda key: key["key_id"], reverse=True)},
    {"quorum": 0}, {"quorum": 2}, {"unsigned_decisions": 0}, {"log_keys": "x"}, {"witness_quorum": 1},
    {"at": "yesterday"}, {"more": 1},
    {"recovery_keys": [{"key_id": ADA.key_id, "public_key": KEYS[0]["public_key"]}]},
    {"recovery_keys": [{"key_id": "0" * 16, "public_key": KEYS[0]["public_key"]}]},
]  # fmt: skip
WRONG_KEYS = [
    {"key_id": "0" * 16}, {"kind": "rsa"}, {"kind": "passkey"}, {"public_key": "AAAA"}, {"public_key": "="},
    {"credential_id": "AAAA"}, {"principal_id": ""}, {"added_in": 0}, {"added_in": 2}, {"added_in": True}, {"name": "Ada"},
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG_FIELDS)
def test_a_roster_with_a_wrong_field_cannot_be_read(change):
    text = canonical_bytes(json.loads(ROSTER) | change).decode()
    assert code_of(open_roster, text) == "roster_malformed"


@pytest.mark.parametrize("change", WRONG_KEYS)
def test_a_roster_with_a_wrong_key_cannot_be_read(change):
    text = canonical_bytes(json.loads(ROSTER) | {"keys": [KEYS[0] | change]}).decode()
    assert code_of(open_roster, text) == "roster_malformed"


@pytest.mark.parametrize("text", ["", "{}", "\ud800", ROSTER + " ", "x" * 200_000])
def test_what_is_no_roster_is_refused(text):
    assert code_of(open_roster, text) == "roster_malformed"
    assert code_of(open_signed, text) == "roster_malformed"


@pytest.mark.parametrize("signatures", [[], ["x"], [{"key_id": "a", "signature": "b"}] * 2, [{"key_id": "a"}]])
def test_signatures_of_another_form_are_refused(signatures):
    whole = {"type": "openlockbox.signed_roster", "format": 1, "roster": ROSTER, "signatures": signatures}
    assert code_of(open_signed, canonical_bytes(whole).decode()) == "roster_malformed"


def test_the_first_is_signed_by_a_key_on_itself():
    check_first(signed_roster(ROSTER))
    check_first(open_signed(signed_roster(ROSTER)))
    assert code_of(check_first, signed_roster(ROSTER, STRANGER)) == "roster_signer"
    assert code_of(check_first, signed_roster(ROSTER, RECOVERY)) == "roster_quorum"
    wrong = signed_roster_text(ROSTER, [SignedBy(ADA.key_id, sign_statement("else", ADA))])
    assert code_of(check_first, wrong) == "roster_signature"
    assert code_of(check_first, signed_roster(following())) == "roster_version"


def test_a_passkey_signs_a_roster_too():
    passkey = SoftAuthenticator(rp_id="portal.test", origin="https://portal.test")
    key = SigningKey(
        key_id=name_key(passkey.spki), kind="passkey", public_key=b64url(passkey.spki),
        credential_id=passkey.credential_id, principal_id="principal-ada", added_in=1,
    )  # fmt: skip
    text = roster_text(replace(FIRST, keys=(key,)))
    check_first(signed_roster_text(text, [SignedBy(key.key_id, passkey.sign_statement(text))]))


def test_an_addition_needs_the_quorum_or_one_person_could_become_it():
    stranger = roster_key(STRANGER, "principal-cy", added_in=2)
    for keys in ((*KEYS, stranger), (KEYS[0], stranger)):
        assert code_of(check_change, BEFORE, signed_roster(following(*keys), ADA)) == "roster_quorum"
        check_change(BEFORE, signed_roster(following(*keys), ADA, BEA))


def test_two_keys_of_one_person_are_no_quorum_of_two():
    second = roster_key(STRANGER, "principal-ada")
    before = roster(KEYS[0], KEYS[1], second, quorum=2)
    after = roster(KEYS[0], second, version=2, previous=before, quorum=1)
    assert code_of(check_change, open_roster(before), signed_roster(after, ADA, STRANGER)) == "roster_quorum"
    check_change(open_roster(before), signed_roster(after, ADA, BEA))


def test_one_key_removes_keys():
    stranger = roster_key(STRANGER, "principal-cy")
    before = roster(*KEYS, stranger, quorum=2)
    check_change(open_roster(before), signed_roster(roster(*KEYS, version=2, previous=before, quorum=2), ADA))


QUORUM = [
    {"quorum": 1}, {"recovery_keys": []}, {"unsigned_decisions": True}, {"rp_id": "else"}, {"origins": ["https://else"]},
    {"log_keys": ["k+00000000+AAAA"]}, {"witnesses": ["w+00000000+AAAA"]},
    {"witnesses": ["w+00000000+AAAA"], "witness_quorum": 1},
]  # fmt: skip


@pytest.mark.parametrize("change", QUORUM)
def test_a_change_of_the_rules_needs_the_quorum_or_a_recovery_key(change):
    text = following(**change)
    assert code_of(check_change, BEFORE, signed_roster(text, ADA)) == "roster_quorum"
    check_change(BEFORE, signed_roster(text, ADA, BEA))
    check_change(BEFORE, signed_roster(text, RECOVERY))


def test_one_key_takes_unsigned_decisions_away():
    loose = roster(*KEYS, quorum=2, unsigned_decisions=True)
    check_change(open_roster(loose), signed_roster(roster(*KEYS, version=2, previous=loose, quorum=2), ADA))


def test_a_recovery_key_replaces_lost_keys():
    text = following(roster_key(STRANGER, "principal-ada", added_in=2), quorum=1)
    check_change(BEFORE, signed_roster(text, RECOVERY))
    assert code_of(check_change, BEFORE, signed_roster(text, ADA)) == "roster_quorum"


@pytest.mark.parametrize(
    "text, code",
    [
        (following(tenant_id="fabrikam"), "roster_tenant"),
        (roster(*KEYS, version=3, previous=TWO, quorum=2), "roster_version"),
        (roster(*KEYS, version=2, previous=ROSTER, quorum=2), "roster_previous"),
        (following(at="2020-01-01T00:00:00.000000Z"), "roster_time"),
        (following(roster_key(ADA, "principal-cy"), KEYS[1]), "roster_key_changed"),
        (following(roster_key(ADA, "principal-ada", added_in=2), KEYS[1]), "roster_key_changed"),
        (following(*KEYS, roster_key(STRANGER, "principal-cy")), "roster_key_changed"),
    ],
)
def test_a_version_that_does_not_follow_is_refused(text, code):
    assert code_of(check_change, BEFORE, signed_roster(text, ADA, BEA)) == code


def test_a_new_key_does_not_vouch_for_itself():
    text = following(*KEYS, roster_key(STRANGER, "principal-cy", added_in=2))
    assert code_of(check_change, BEFORE, signed_roster(text, STRANGER)) == "roster_signer"
    assert code_of(check_change, BEFORE, signed_roster(text, ADA, STRANGER)) == "roster_signer"


def test_a_wrong_signature_among_right_ones_is_refused():
    text = following(quorum=1)
    signatures = [SignedBy(key.key_id, sign_statement(text, key)) for key in (ADA, BEA)]
    mixed = [signatures[0], SignedBy(BEA.key_id, signatures[0].signature)]
    assert code_of(check_change, BEFORE, signed_roster_text(text, mixed)) == "roster_signature"


def test_a_key_that_comes_back_is_new():
    removed = following(KEYS[0], quorum=1)
    again = roster(KEYS[0], roster_key(BEA, "principal-bea", added_in=3), version=3, previous=removed, quorum=1)
    posing = roster(KEYS[0], KEYS[1], version=3, previous=removed, quorum=1)
    check_change(open_roster(removed), signed_roster(again, ADA))
    assert code_of(check_change, open_roster(removed), signed_roster(posing, ADA)) == "roster_key_changed"


def test_a_chain_is_followed_from_its_root():
    second = following(quorum=1)
    signed = [signed_roster(TWO), signed_roster(second, ADA, BEA)]
    assert [r.version for r in verify_chain(signed, root=BEFORE.digest)] == [1, 2]
    assert verify_chain([], root=BEFORE.digest) == []
    for texts, root, code in [
        (signed, FIRST.digest, "roster_root"),
        (signed, "", "roster_root"),
        (signed[1:], BEFORE.digest, "roster_version"),
        (signed[::-1], BEFORE.digest, "roster_version"),
        ([signed[0], signed[0]], BEFORE.digest, "roster_version"),
    ]:
        assert code_of(lambda texts=texts, root=root: verify_chain(texts, root=root)) == code


def test_time_may_stand_still_but_not_go_back():
    same = replace(BEFORE, version=2, previous=BEFORE.digest, digest="")
    check_change(BEFORE, signed_roster(roster_text(same), ADA))
    earlier = replace(same, at=BEFORE.at - timedelta(microseconds=1))
    assert code_of(check_change, BEFORE, signed_roster(roster_text(earlier), ADA)) == "roster_time"


def test_a_roster_knows_its_keys():
    assert isinstance(BEFORE, Roster)
    found = BEFORE.find(BEA.key_id)
    assert found is not None
    assert found.principal_id == "principal-bea"
    assert BEFORE.find(STRANGER.key_id) is None
