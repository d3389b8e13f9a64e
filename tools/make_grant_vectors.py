"""Write tests/vectors/grants/*.json: one file an attack, with the answer every verifier must give.

Run from the repository's root: `python tools/make_grant_vectors.py`. With --check it writes nothing and fails on a difference.
The keys are fixed test keys; Ed25519 signatures are deterministic, so the files are too.
"""

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from openlockbox.grants.encoding import Json, b64url, encode_instant, parse_b64url, parse_canonical  # noqa: E402
from openlockbox.grants.envelope import Kind, seal  # noqa: E402
from openlockbox.grants.grant import DecisionDocument, seal_grant  # noqa: E402
from openlockbox.grants.revocations import Revocation  # noqa: E402
from openlockbox.grants.token import seal_token  # noqa: E402
from tests.unit.grants.log_cases import LOG_CASES  # noqa: E402
from tests.unit.grants.material import (  # noqa: E402
    DECIDED,
    GRANTS,
    NOW,
    REVOCATIONS,
    STRANGER,
    Case,
    displayed,
    grant,
    revocation_list,
    statement,
    token,
    unsigned,
)
from tests.unit.grants.trust_cases import TRUST_CASES  # noqa: E402
from tests.unit.grants.vector_writer import vector  # noqa: E402

DIRECTORY = ROOT / "tests" / "vectors" / "grants"
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def _token(**changes: object) -> Case:
    return Case(token_text=seal_token(token(**changes), GRANTS))


def _grant(**changes: object) -> Case:
    return Case(grant_text=seal_grant(grant(**changes), GRANTS))


def _decision(text: str, **changes: object) -> Case:
    return _grant(decision=unsigned(text), **changes)


def _payload(text: str) -> dict[str, Json]:
    return parse_canonical(parse_b64url(text.split(".")[3]))


def _with_payload(text: str, data: bytes) -> str:
    parts = text.split(".")
    return ".".join([*parts[:3], b64url(data), parts[4]])


def _without(payload: dict[str, Json], field: str) -> dict[str, Json]:
    return {name: value for name, value in payload.items() if name != field}


def _own_decision() -> Case:
    shown = displayed(approvers=["principal-ada", "principal-eng"])
    return _grant(shown=shown, decision=unsigned(statement(shown=shown, by="principal-eng")))


PLAIN = Case()
TOKEN, GRANT = PLAIN.token_text, PLAIN.grant_text
TOKEN_PAYLOAD, GRANT_PAYLOAD = _payload(TOKEN), _payload(GRANT)


def _revoked(kind: str, id_: str) -> Case:
    return Case(revocations=revocation_list(revoked=(Revocation(kind=kind, id=id_),)))  # type: ignore[arg-type]


def _not_canonical(text: str) -> str:
    """Sign genuinely a payload that is spelled with spaces: only the signer could, and must not."""
    from openlockbox.grants.envelope import _signed_bytes  # noqa: PLC0415  the one place that signs by hand

    data = json.dumps(_payload(text), sort_keys=True).encode()
    signature = GRANTS.sign(_signed_bytes(Kind(text.split(".")[1]), GRANTS.key_id, data))
    return f"{text.rsplit('.', 2)[0]}.{b64url(data)}.{b64url(signature)}"


# name: (what it is, the case, the answer)
CASES: dict[str, tuple[str, Case, str]] = {
    "good_browser": ("A token and grant as they should be.", PLAIN, "ok"),
    "good_native": (
        "The native front, with the hash of a one-time password.",
        replace(_token(front="native", password_sha256="ef" * 32), front="native"),
        "ok",
    ),
    "good_last_moment": (
        "One microsecond before the grant's end.",
        _grant(not_after=NOW + timedelta(microseconds=1)),
        "ok",
    ),
    "good_narrowed": (
        "An approver granted less than asked.",
        _decision(
            statement(granted=2 * HOUR, permission="read", channels=["drive"]),
            permission="read",
            channels=("drive",),
            target=replace(grant().target, secret_ref="vm1.read"),  # noqa: S106  a name, not a secret
            not_after=DECIDED + 2 * HOUR,
        ),
        "ok",
    ),
    "token_empty": ("No token at all.", replace(PLAIN, token_text=""), "token_malformed"),
    "token_is_a_grant": ("A grant presented as a token.", replace(PLAIN, token_text=GRANT), "token_malformed"),
    "token_of_next_version": (
        "An envelope of a version to come.",
        replace(PLAIN, token_text="olbx2" + TOKEN[5:]),
        "token_malformed",
    ),
    "token_too_long": (
        "A token that does not fit its bound.",
        replace(PLAIN, token_text=TOKEN + "A" * 2000),
        "token_malformed",
    ),
    "token_padded": ("Base64 with padding.", replace(PLAIN, token_text=TOKEN + "=="), "token_malformed"),
    "token_jwt_alg_none": (
        "A JWT that claims to need no signature.",
        replace(PLAIN, token_text="eyJhbGciOiJub25lIn0.e30."),  # noqa: S106  not even a token
        "token_malformed",
    ),
    "token_unknown_field": (
        "A signed field that this version does not know.",
        replace(PLAIN, token_text=seal(Kind.TOKEN, {**TOKEN_PAYLOAD, "admin": True}, GRANTS)),
        "token_malformed",
    ),
    "token_missing_expiry": (
        "No expiry.",
        replace(PLAIN, token_text=seal(Kind.TOKEN, _without(TOKEN_PAYLOAD, "expires_at"), GRANTS)),
        "token_malformed",
    ),
    "token_format_unknown": (
        "A payload of a format to come.",
        replace(PLAIN, token_text=seal(Kind.TOKEN, {**TOKEN_PAYLOAD, "format": 2}, GRANTS)),
        "token_malformed",
    ),
    "token_path_in_jti": (
        "A session id that walks out of the recordings' directory.",
        replace(PLAIN, token_text=seal(Kind.TOKEN, {**TOKEN_PAYLOAD, "jti": "../../etc/x"}, GRANTS)),
        "token_malformed",
    ),
    "token_native_without_password": (
        "The native front without a one-time password.",
        replace(PLAIN, token_text=seal(Kind.TOKEN, {**TOKEN_PAYLOAD, "front": "native"}, GRANTS)),
        "token_malformed",
    ),
    "token_not_canonical": (
        "A payload with another spelling, genuinely signed.",
        replace(PLAIN, token_text=_not_canonical(TOKEN)),
        "token_malformed",
    ),
    "token_payload_changed": (
        "Another engineer written into a signed token.",
        replace(
            PLAIN,
            token_text=_with_payload(
                TOKEN, parse_b64url(TOKEN.split(".")[3]).replace(b"principal-eng", b"principal-eve")
            ),
        ),
        "token_signature",
    ),
    "token_by_stranger": (
        "Signed by a key that nobody trusts.",
        replace(PLAIN, token_text=seal_token(token(), STRANGER)),
        "token_signature",
    ),
    "token_by_revocations_key": (
        "Signed by the revocations key, which has no say in grants.",
        replace(PLAIN, token_text=seal_token(token(), REVOCATIONS)),
        "token_signature",
    ),
    "token_stranger_with_our_key_id": (
        "A stranger's signature under the name of a trusted key.",
        replace(PLAIN, token_text=seal_token(token(), STRANGER).replace(STRANGER.key_id, GRANTS.key_id)),
        "token_signature",
    ),
    "token_for_other_gateway": ("Carried to another gateway.", _token(gateway_id="gw-2"), "token_for_other_gateway"),
    "token_for_other_front": ("A browser's token at the native port.", replace(PLAIN, front="native"), "token_front"),
    "token_lives_too_long": (
        "A token for an hour.",
        _token(expires_at=NOW + HOUR),
        "token_lifetime",
    ),
    "token_expires_before_issue": (
        "A token that never was valid.",
        _token(expires_at=NOW - 6 * SECOND),
        "token_lifetime",
    ),
    "token_from_the_future": (
        "Issued more than five seconds ahead of the gateway's clock.",
        _token(issued_at=NOW + 6 * SECOND, expires_at=NOW + 30 * SECOND),
        "token_not_yet",
    ),
    "token_expired": ("Presented at the very moment of its expiry.", _token(expires_at=NOW), "token_expired"),
    "token_before_start": (
        "Issued before the gateway started: it may have been used before the restart.",
        replace(PLAIN, started_at=NOW),
        "token_before_start",
    ),
    "token_replayed": ("Used a second time.", replace(PLAIN, used=frozenset({"se-1"})), "token_reused"),
    "grant_cut_short": ("Half a grant.", replace(PLAIN, grant_text=GRANT[:200]), "grant_malformed"),
    "grant_unknown_field": (
        "A signed field that this version does not know.",
        replace(PLAIN, grant_text=seal(Kind.GRANT, {**GRANT_PAYLOAD, "alg": "none"}, GRANTS)),
        "grant_malformed",
    ),
    "grant_ends_before_it_begins": (
        "Times in the wrong order.",
        replace(
            PLAIN,
            grant_text=seal(Kind.GRANT, {**GRANT_PAYLOAD, "not_after": encode_instant(NOW - 2 * HOUR)}, GRANTS),
        ),
        "grant_malformed",
    ),
    "grant_by_stranger": (
        "Signed by nobody we know.",
        replace(PLAIN, grant_text=seal_grant(grant(), STRANGER)),
        "grant_signature",
    ),
    "grant_prolonged": (
        "A later end written into a signed grant.",
        replace(
            PLAIN,
            grant_text=_with_payload(
                GRANT,
                parse_b64url(GRANT.split(".")[3]).replace(
                    encode_instant(NOW + 7 * HOUR).encode(), encode_instant(NOW + 70 * HOUR).encode()
                ),
            ),
        ),
        "grant_signature",
    ),
    "grant_of_another_token": ("A token for another grant.", _token(grant_id="gr-2"), "grant_mismatch"),
    "grant_of_another_engineer": (
        "A token of another engineer.",
        _token(engineer_id="principal-eve"),
        "grant_mismatch",
    ),
    "grant_for_other_gateway": ("A grant for another gateway.", _grant(gateway_id="gw-2"), "grant_mismatch"),
    "decision_missing": ("A grant without a decision.", _decision(""), "grant_without_decision"),
    "decision_denied": (
        "A grant made of a denial.",
        _decision(statement(decision="deny", granted=None)),
        "grant_without_decision",
    ),
    "decision_of_other_tenant": (
        "Another customer's approval.",
        _decision(statement(tenant_id="fabrikam")),
        "grant_without_decision",
    ),
    "decision_on_other_request": (
        "An approval of another request.",
        _decision(statement(request_id="lr-2")),
        "grant_without_decision",
    ),
    "decision_on_changed_request": (
        "An approval of what the request said before.",
        _decision(statement(request_digest="ba" * 32)),
        "grant_without_decision",
    ),
    "decision_of_other_roster_version": (
        "The statement names another version of the roster than was displayed.",
        _decision(statement(roster_version=1)),
        "grant_without_decision",
    ),
    "decision_before_the_request": (
        "Decided before the request was made.",
        _decision(statement(at=NOW - 3 * HOUR), not_before=NOW - 3 * HOUR, not_after=NOW + 5 * HOUR),
        "grant_without_decision",
    ),
    "decision_too_late": (
        "Decided when the time to answer was over.",
        replace(
            _decision(statement(at=NOW + 94 * HOUR), not_before=NOW + 94 * HOUR, not_after=NOW + 95 * HOUR),
        ),
        "grant_without_decision",
    ),
    "decision_by_the_engineer": (
        "The engineer approved their own request.",
        _own_decision(),
        "grant_without_decision",
    ),
    "decision_not_canonical": (
        "The statement with another spelling.",
        _decision(statement().replace('","', '", "')),
        "grant_without_decision",
    ),
    "decision_for_less": (
        "More permission than the approver gave.",
        _decision(statement(permission="read")),
        "wider_than_statement",
    ),
    "decision_exceeded_in_time": (
        "A grant longer than the approver gave.",
        _decision(statement(granted=HOUR)),
        "wider_than_statement",
    ),
    "decision_after_begin": (
        "A grant that begins before it was approved.",
        _decision(statement(at=NOW - 30 * MINUTE)),
        "wider_than_statement",
    ),
    "decision_long_before_begin": (
        "An approval kept for later: the grant begins an hour after it.",
        _grant(not_before=NOW, not_after=NOW + HOUR),
        "wider_than_statement",
    ),
    "decision_method_unknown": (
        "A method of deciding that this version cannot check.",
        _grant(decision=DecisionDocument(statement=statement(), method="fax", key_id="00", signature="AA")),
        "key_not_on_roster",
    ),
    "decision_with_stray_signature": (
        "An unsigned decision that carries a signature.",
        _grant(decision=DecisionDocument(statement=statement(), method="unsigned", signature="AA")),
        "signature_wrong",
    ),
    "decision_digest_differs": (
        "A grant that names another request digest.",
        _grant(request_digest="ab" * 32),
        "displayed_wrong",
    ),
    "grant_not_yet": (
        "Used before it begins.",
        _grant(decision=unsigned(statement(at=NOW + SECOND)), not_before=NOW + SECOND, not_after=NOW + HOUR),
        "grant_not_yet",
    ),
    "grant_over": ("Used at the moment it ends.", _grant(not_after=NOW), "grant_over"),
    "lease_never_held": (
        "No revocation list since the start.",
        replace(PLAIN, revocations=None, lease_age=None),
        "lease_stale",
    ),
    "lease_stale": (
        "The last list was asked for eight seconds ago.",
        replace(PLAIN, lease_age=8 * SECOND),
        "lease_stale",
    ),
    "lease_list_expired": (
        "The list has expired by the wall clock.",
        replace(PLAIN, revocations=revocation_list(expires_at=NOW)),
        "lease_stale",
    ),
    "revoked_grant": ("The grant is revoked.", _revoked("grant", "gr-1"), "grant_revoked"),
    "revoked_engineer": ("The engineer is revoked.", _revoked("engineer", "principal-eng"), "grant_revoked"),
    "revoked_resource": ("The resource is locked.", _revoked("resource", grant().resource_id), "grant_revoked"),
    "revoked_tenant": ("Lock everything now.", _revoked("tenant", "contoso"), "grant_revoked"),
    "revoked_other_kind": ("The same id under another kind revokes nothing.", _revoked("tenant", "gr-1"), "ok"),
    **TRUST_CASES,
    **LOG_CASES,
}


def files() -> dict[str, str]:
    """Return every vector file by name."""
    return {f"{name}.json": vector(*parts) for name, parts in CASES.items()}


def main() -> int:
    wanted = files()
    present = {path.name: path.read_text() for path in DIRECTORY.glob("*.json")}
    if "--check" in sys.argv[1:]:
        differing = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        print("\n".join(differing) or "vectors are as generated")
        return 1 if differing else 0
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name in present.keys() - wanted.keys():
        (DIRECTORY / name).unlink()
    for name, text in wanted.items():
        (DIRECTORY / name).write_text(text)
    print(f"{len(wanted)} vectors in {DIRECTORY}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
