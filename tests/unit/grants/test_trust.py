"""The trust bundle and the decision statement: what is refused before anything is verified with it."""

import json
from datetime import timedelta

import pytest

from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.grant import open_grant, seal_grant
from openlockbox.grants.revocations import open_revocations, seal_revocations
from openlockbox.grants.statement import canonical, decision_statement, digest
from openlockbox.grants.trust import bundle_of, decode_trust, encode_trust, parse_trust
from tests.unit.grants.material import CHECKPOINTS, GRANTS, NOW, REVOCATIONS, STRANGER, TRUST, grant, revocation_list


def test_two_grant_keys_overlap_while_one_replaces_the_other():
    both = bundle_of(
        version=2,
        grant_keys=[GRANTS.public_key, STRANGER.public_key],
        revocation_keys=[REVOCATIONS.public_key],
        checkpoint_keys=[CHECKPOINTS.public_key],
    )
    assert open_grant(seal_grant(grant(), GRANTS), both) == open_grant(seal_grant(grant(), STRANGER), both)


def test_the_grants_key_cannot_sign_a_revocation_list():
    with pytest.raises(EnvelopeRefused, match="key_unknown"):
        open_revocations(seal_revocations(revocation_list(), GRANTS), TRUST)


@pytest.mark.parametrize(
    "keys", [(GRANTS, GRANTS, CHECKPOINTS), (GRANTS, REVOCATIONS, GRANTS), (GRANTS, REVOCATIONS, REVOCATIONS)]
)
def test_one_key_for_two_uses_is_refused(keys):
    grants, revocations, checkpoints = ([key.public_key] for key in keys)
    shared = bundle_of(version=1, grant_keys=grants, revocation_keys=revocations, checkpoint_keys=checkpoints)
    with pytest.raises(EnvelopeRefused, match="trust_key_shared"):
        decode_trust(encode_trust(shared))


@pytest.mark.parametrize("field", ["grant_keys", "revocation_keys", "checkpoint_keys"])
def test_a_bundle_without_keys_is_refused(field):
    with pytest.raises(EnvelopeRefused, match="trust_empty"):
        decode_trust({**encode_trust(TRUST), field: {}})


def test_a_key_under_another_keys_name_is_refused():
    document = encode_trust(TRUST)
    document["grant_keys"] = {"0" * 16: next(iter(document["grant_keys"].values()))}
    with pytest.raises(EnvelopeRefused, match="payload_malformed"):
        decode_trust(document)


def test_a_field_that_stands_twice_is_refused():
    text = json.dumps(encode_trust(TRUST))
    with pytest.raises(EnvelopeRefused, match="payload_malformed"):
        parse_trust('{"version": 9, ' + text[1:])


def test_an_unknown_format_is_refused():
    with pytest.raises(EnvelopeRefused, match="format_unknown"):
        decode_trust({**encode_trust(TRUST), "format": 2})


def test_canonical_text_and_its_digest_are_rfc_8785_and_sha_256():
    text = canonical({"b": 1, "a": "é"})
    assert text == '{"a":"é","b":1}'
    assert digest(text) == "aa58fba8483623bed37c1b02edfccbdd9a53123837c20bfa4cb4049993a2872e"


def test_a_denial_grants_no_time():
    with pytest.raises(ValueError, match="granted_seconds"):
        decision_statement(
            tenant_id="t",
            request_id="r",
            request_digest="ab" * 32,
            decision="deny",
            granted_duration=timedelta(hours=1),
            permission="read",
            channels=(),
            reason="",
            by="p",
            at=NOW,
            nonce="A" * 22,
            roster_version=0,
        )


def test_what_would_not_be_read_back_is_not_signed():
    with pytest.raises(EnvelopeRefused, match="channels"):
        seal_grant(grant(channels=("b", "a")), GRANTS)
