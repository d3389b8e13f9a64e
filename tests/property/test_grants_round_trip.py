"""Whatever is sealed is read back the same; whatever is not sealed raises our refusals and nothing else."""

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from openlockbox.grants.encoding import EnvelopeRefused, encode_instant, parse_instant
from openlockbox.grants.envelope import Kind, open_envelope, seal
from openlockbox.grants.gateway_request import peek_gateway_id, sign_request, verify_request
from openlockbox.grants.grant import TargetDocument, open_grant, seal_grant
from openlockbox.grants.revocations import Revocation, open_revocations, seal_revocations
from openlockbox.grants.statement import decision_statement, open_statement
from openlockbox.grants.token import open_token, seal_token
from openlockbox.grants.trust import TrustBundle, parse_trust, trust_text
from openlockbox.grants.verify import VerificationRefused
from tests.unit.grants.material import (
    CHECKPOINTS,
    GRANTS,
    NOW,
    REVOCATIONS,
    STRANGER,
    TRUST,
    Case,
    grant,
    revocation_list,
    token,
)

line = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
name = st.text(string.ascii_letters + string.digits, min_size=1, max_size=64)
sha256 = st.text("0123456789abcdef", min_size=64, max_size=64)
instant = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
keys = {GRANTS.key_id: GRANTS.public_key}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | line,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(line, inner, max_size=3),
    max_leaves=10,
)


@given(instant)
def test_instants_come_back_to_the_microsecond_and_sort_like_their_texts(at):
    assert parse_instant(encode_instant(at)) == at
    later = at + timedelta(microseconds=1)
    assert encode_instant(at) < encode_instant(later)


@given(st.sampled_from(Kind), st.dictionaries(line, json_values, max_size=4))
def test_an_envelope_gives_back_its_payload_under_its_kind_only(kind, payload):
    try:
        text = seal(kind, payload, GRANTS)
    except ValueError:
        assume(False)  # too long for its kind
        raise
    assert open_envelope(kind, text, keys) == payload
    for other in set(Kind) - {kind}:
        with pytest.raises(EnvelopeRefused):
            open_envelope(other, text.replace(f".{kind}.", f".{other}."), keys)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda data: data.decode("latin-1")))
def test_any_text_is_refused_and_nothing_else_is_raised(text):
    for read in (
        lambda: open_token(text, TRUST),
        lambda: open_grant(text, TRUST),
        lambda: open_revocations(text, TRUST),
        lambda: open_statement(text),
        lambda: parse_trust(text),
        lambda: peek_gateway_id(text),
        lambda: peek_gateway_id(f"OpenLockbox-Gateway {text}"),
        lambda: parse_instant(text),
    ):
        with pytest.raises(EnvelopeRefused):
            read()
    with pytest.raises(VerificationRefused):
        Case(token_text=text).verify()
    with pytest.raises(VerificationRefused):
        Case(grant_text=text).verify()


@given(json_values)
def test_any_signed_json_is_refused_and_nothing_else_is_raised(value):
    text = seal(Kind.TOKEN, {"value": value}, GRANTS) if len(repr(value)) < 500 else ""
    with pytest.raises(VerificationRefused, match="token_malformed"):
        Case(token_text=text).verify()


@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_changed_character_never_verifies(position, change):
    for field in ("token_text", "grant_text"):
        text = getattr(Case(), field)
        at = position % len(text)
        changed = text[:at] + chr((ord(text[at]) + change) % 256) + text[at + 1 :]
        with pytest.raises(VerificationRefused):
            Case(**{field: changed}).verify()


@given(engineer=line, tenant=line, jti=name, at=instant, password=sha256)
def test_a_token_comes_back(engineer, tenant, jti, at, password):
    sealed = token(
        jti=jti, engineer_id=engineer, gateway_id=tenant, issued_at=at, front="native", password_sha256=password
    )
    assert open_token(seal_token(sealed, GRANTS), TRUST) == sealed


@given(
    resource=line,
    engineer=line,
    channels=st.sets(line, max_size=4),
    port=st.integers(1, 65535),
    security=st.sampled_from(["tls", "nla"]),
    pin=sha256,
    begin=instant,
    life=st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(hours=8)),
)
def test_a_grant_comes_back(*, resource, engineer, channels, port, security, pin, begin, life):
    assume(begin < datetime(9999, 12, 29, tzinfo=UTC))
    target = TargetDocument(address=engineer, port=port, security=security, certificate_sha256=pin, secret_ref="a.b")
    sealed = grant(
        resource_id=resource,
        engineer_id=engineer,
        channels=tuple(sorted(channels)),
        target=target,
        not_before=begin,
        not_after=begin + life,
    )
    assert open_grant(seal_grant(sealed, GRANTS), TRUST) == sealed


@given(
    st.lists(st.builds(Revocation, kind=st.sampled_from(["grant", "engineer", "resource", "tenant"]), id=line)),
    st.integers(0, 2**53 - 1),
)
def test_a_revocation_list_comes_back_sorted(entries, version):
    sealed = revocation_list(version=version, revoked=tuple(sorted(entries, key=lambda e: (e.kind, e.id))))
    assert open_revocations(seal_revocations(sealed, REVOCATIONS), TRUST) == sealed


@given(reason=st.text(max_size=500).filter(lambda text: text.isprintable()), by=line, seconds=st.integers(1, 604800))
def test_a_decision_comes_back(reason, by, seconds):
    text = decision_statement(
        tenant_id="t",
        request_id="r",
        request_digest="ab" * 32,
        decision="approve",
        granted_duration=timedelta(seconds=seconds),
        permission="read",
        channels=("drive", "clipboard"),
        reason=reason,
        by=by,
        at=NOW,
        nonce="A" * 22,
        roster_version=3,
    )
    statement = open_statement(text)
    assert (statement.reason, statement.by, statement.granted_duration) == (reason, by, timedelta(seconds=seconds))


@given(st.integers(1, 2**53 - 1))
def test_a_trust_bundle_comes_back(version):
    bundle = TrustBundle(
        version=version,
        grant_keys={GRANTS.key_id: GRANTS.public_key, STRANGER.key_id: STRANGER.public_key},
        revocation_keys={REVOCATIONS.key_id: REVOCATIONS.public_key},
        checkpoint_keys={CHECKPOINTS.key_id: CHECKPOINTS.public_key},
    )
    assert parse_trust(trust_text(bundle)) == bundle


@given(st.binary(max_size=200), name, line)
def test_a_gateway_request_verifies_with_its_own_body_only(body, nonce, gateway):
    header = sign_request(
        gateway_id=gateway, method="POST", path="/gateway/v1/lease", body=body, at=NOW, nonce=nonce, signer=GRANTS
    )
    assert peek_gateway_id(header) == gateway
    asked = {"method": "POST", "path": "/gateway/v1/lease", "public_key": GRANTS.public_key, "now": NOW}
    assert verify_request(header, body=body, **asked).nonce == nonce
    for changed in (
        {"body": body + b"x"},
        {"body": body, "path": "/gateway/v1/enrol"},
        {"body": body, "method": "GET"},
        {"body": body, "public_key": STRANGER.public_key},
        {"body": body, "now": NOW + timedelta(seconds=31)},
        {"body": body, "now": NOW - timedelta(seconds=31)},
    ):
        with pytest.raises(EnvelopeRefused):
            verify_request(header, **{**asked, **changed})
