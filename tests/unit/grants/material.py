"""A token, a grant and all around them that verify; tests change one thing and see which step refuses."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.grants.encoding import Json, b64url, canonical_bytes, encode_instant
from openlockbox.grants.envelope import Ed25519Signer
from openlockbox.grants.grant import (
    DecisionDocument,
    GrantDocument,
    LogDocument,
    TargetDocument,
    seal_grant,
    signed_decision,
)
from openlockbox.grants.keys import encode_public_key
from openlockbox.grants.pin import TenantPin
from openlockbox.grants.presence import PresenceProof
from openlockbox.grants.revocations import RevocationList
from openlockbox.grants.token import ConnectionToken, seal_token
from openlockbox.grants.trust import TrustBundle, bundle_of
from openlockbox.verification.connection import Evidence, Held, Verified, verify_connection
from tests.unit.grants.log_material import NaiveLog, digest_of, vkey

NOW = datetime(2026, 5, 4, 9, 30, 0, 123456, tzinfo=UTC)
GATEWAY = "gw-1"
TENANT = "contoso"
RESOURCE = "/subscriptions/s1/resourcegroups/rg/providers/microsoft.compute/virtualmachines/vm1"
DECIDED = NOW - timedelta(hours=1)
RP_ID, ORIGINS = "portal.test", ("https://portal.test",)


def signer(seed: int) -> Ed25519Signer:
    """Return the same key each time, so that vectors are stable. Test keys, worth nothing."""
    return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


GRANTS, REVOCATIONS, STRANGER, CHECKPOINTS = signer(1), signer(2), signer(3), signer(4)
ADA, ENGINEER, BEA, RECOVERY, WITNESS, SECOND_WITNESS = (signer(seed) for seed in range(20, 26))
TRUST = bundle_of(
    version=1,
    grant_keys=[GRANTS.public_key],
    revocation_keys=[REVOCATIONS.public_key],
    checkpoint_keys=[CHECKPOINTS.public_key],
)


def text_of(document: dict[str, Json]) -> str:
    return canonical_bytes(document).decode()


def sign_statement(text: str, key: Ed25519Signer) -> str:
    """Sign as a customer's automation does: docs/spec/decision-format.md, by hand."""
    return b64url(key.sign(b"OpenLockbox statement 1\x00" + text.encode()))


# ---- the roster ----


def roster_key(key: Ed25519Signer, principal_id: str, *, added_in: int = 1) -> dict[str, Json]:
    return {
        "key_id": key.key_id,
        "kind": "ed25519",
        "public_key": encode_public_key(key.public_key),
        "credential_id": "",
        "principal_id": principal_id,
        "added_in": added_in,
    }


def roster(*keys: dict[str, Json], version: int = 1, previous: str = "", **changes: Json) -> str:
    """Return a roster's text; `previous` is the text before."""
    keys = keys or (roster_key(ADA, "principal-ada"),)
    return text_of(
        {
            "type": "openlockbox.roster",
            "format": 1,
            "tenant_id": TENANT,
            "version": version,
            "previous": digest_of(previous) if previous else "",
            "rp_id": RP_ID,
            "origins": list(ORIGINS),
            "keys": sorted(keys, key=lambda key: str(key["key_id"])),
            "recovery_keys": [{"key_id": RECOVERY.key_id, "public_key": encode_public_key(RECOVERY.public_key)}],
            "quorum": 1,
            "unsigned_decisions": False,
            "log_keys": [vkey(f"openlockbox.log/{TENANT}", 1, CHECKPOINTS)],
            "witnesses": [],
            "witness_quorum": 0,
            "at": encode_instant(NOW - timedelta(days=30 - version)),
            **changes,
        }
    )


def signed_roster(text: str, *keys: Ed25519Signer) -> str:
    signatures = [{"key_id": key.key_id, "signature": sign_statement(text, key)} for key in keys or (ADA,)]
    return text_of({"type": "openlockbox.signed_roster", "format": 1, "roster": text, "signatures": signatures})


ROSTER = roster()


def pin_of(text: str | None, log: NaiveLog | None = None, size: int = 2, **changes: object) -> TenantPin:
    """Pin a roster that is all of its history so far, and a log up to a size."""
    pin = TenantPin(
        tenant_id=TENANT,
        roster_root="" if text is None else digest_of(text),
        roster_version=0 if text is None else 1,
        roster_digest="" if text is None else digest_of(text),
        log_size=0 if log is None else size,
        log_root="" if log is None or not size else log.root(size).hex(),
    )
    return replace(pin, **changes)  # type: ignore[arg-type]  # tests name the fields they change


# ---- the request as displayed, and the decision ----


def requester_key(key: Ed25519Signer = ENGINEER) -> dict[str, Json]:
    return {
        "key_id": key.key_id,
        "kind": "ed25519",
        "public_key": encode_public_key(key.public_key),
        "credential_id": "",
        "rp_id": RP_ID,
        "origins": list(ORIGINS),
    }


def displayed(
    *,
    key: dict[str, Json] | None = None,
    engineer_id: str = "principal-eng",
    target: dict[str, Json] | None = None,
    at: datetime = NOW - timedelta(hours=2),
    **changes: Json,
) -> str:
    return text_of(
        {
            "type": "openlockbox/request",
            "v": 1,
            "id": "lr-1",
            "tenant": {"id": TENANT, "name": "Contoso"},
            "provider": {"id": "ostervane", "name": "Ostervane"},
            "requester": {
                "id": engineer_id,
                "name": "Idris",
                "title": "Engineer",
                "isolated_identity": True,
                "mfa_at": "",
                "key": key,
            },
            "resource": {
                "id": RESOURCE,
                "subscription": "s1",
                "name": "vm1",
                "type": "virtual_machine",
                "operating_system": "Linux",
                "description": "",
                "target": {
                    "gateway": GATEWAY,
                    "address": "127.0.0.1",
                    "port": 3389,
                    "security": "tls",
                    "certificate_sha256": "cd" * 32,
                    "secret_refs": {"read": "vm1.read", "operate": "vm1.operate"},
                    **(target or {}),
                },
            },
            "scenario": "remote_desktop",
            "permission": "operate",
            "channels": ["clipboard", "drive"],
            "duration_s": 8 * 3600,
            "justification": "The printer does not print.",
            "service_request": {"id": "sr-1", "title": "Printer", "description": ""},
            "verdict": {"policy": "p1", "reviewed_by": "", "reasons": []},
            "approvers": ["principal-ada", "principal-bea"],
            "roster_version": 0,
            "created_at": at.isoformat(),
            "answer_by": (at + timedelta(days=4)).isoformat(),
            **changes,
        }
    )


STRICT = displayed(key=requester_key(), roster_version=1)
PLAIN = displayed()


def statement(
    *, shown: str = PLAIN, granted: timedelta | None = timedelta(hours=8), at: datetime = DECIDED, **changes: Json
) -> str:
    return text_of(
        {
            "type": "openlockbox.decision",
            "format": 1,
            "tenant_id": TENANT,
            "request_id": "lr-1",
            "request_digest": digest_of(shown),
            "decision": "approve",
            "granted_seconds": None if granted is None else int(granted.total_seconds()),
            "permission": "operate",
            "channels": ["clipboard", "drive"],
            "reason": "Please fix the printer.",
            "by": "principal-ada",
            "at": encode_instant(at),
            "nonce": "AAECAwQFBgcICQoLDA0ODw",
            "roster_version": 1 if shown == STRICT else 0,
            **changes,
        }
    )


def unsigned(text: str) -> DecisionDocument:
    return DecisionDocument(statement=text, method="unsigned")


def signed(text: str, key: Ed25519Signer = ADA) -> DecisionDocument:
    return DecisionDocument(statement=text, method="ed25519", key_id=key.key_id, signature=sign_statement(text, key))


# ---- the log, the grant, the token ----


def log_with(decision: DecisionDocument, *, request_id: str = "lr-1") -> NaiveLog:
    """Return a log of seven entries, of which the third records the approval."""
    log = NaiveLog(TENANT)
    for number in range(2):
        log.append("request.created", f"request:lr-{number}", at=DECIDED)
    log.append("request.approved", f"request:{request_id}", at=DECIDED, document=signed_decision(decision))
    for number in range(4):
        log.append("sign_in.succeeded", f"principal:{number}", at=DECIDED)
    return log


def logged(log: NaiveLog, index: int = 2, *, size: int = 5, key: Ed25519Signer = CHECKPOINTS) -> LogDocument:
    return LogDocument(
        index=index,
        leaf=log.leaves[index],
        checkpoint=log.checkpoint(key, size),
        proof=tuple(log.inclusion(index, size)),
    )


def grant(*, shown: str = PLAIN, decision: DecisionDocument | None = None, **changes: object) -> GrantDocument:
    decision = decision or unsigned(statement(shown=shown))
    plain = GrantDocument(
        grant_id="gr-1",
        tenant_id=TENANT,
        request_id="lr-1",
        correlation_id="co-1",
        engineer_id="principal-eng",
        resource_id=RESOURCE,
        resource_name="vm1",
        gateway_id=GATEWAY,
        scenario="remote_desktop",
        permission="operate",
        channels=("clipboard", "drive"),
        target=TargetDocument(
            address="127.0.0.1", port=3389, security="tls", certificate_sha256="cd" * 32, secret_ref="vm1.operate"
        ),
        request_digest=digest_of(shown),
        displayed=shown,
        decision=decision,
        log=logged(log_with(decision)),
        issued_at=DECIDED,
        not_before=DECIDED,
        not_after=DECIDED + timedelta(hours=8),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # tests name the fields they change


def strict_grant(**changes: object) -> GrantDocument:
    """Return a grant of a tenant with a roster, approved by Ada's key."""
    text = statement(shown=STRICT)
    return grant(shown=STRICT, decision=signed(text), **changes)


def token(**changes: object) -> ConnectionToken:
    plain = ConnectionToken(
        jti="se-1",
        grant_id="gr-1",
        engineer_id="principal-eng",
        gateway_id=GATEWAY,
        front="browser",
        issued_at=NOW - timedelta(seconds=5),
        expires_at=NOW + timedelta(seconds=55),
        password_sha256=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # as above


def presence(key: Ed25519Signer = ENGINEER, **changes: Json) -> PresenceProof:
    text = text_of(
        {
            "type": "openlockbox.presence",
            "format": 1,
            "gateway_id": GATEWAY,
            "session_id": "se-1",
            "grant_id": "gr-1",
            "nonce": b64url(bytes(32)),
            **changes,
        }
    )
    return PresenceProof(statement=text, signature=sign_statement(text, key))


def revocation_list(**changes: object) -> RevocationList:
    plain = RevocationList(
        version=7, issued_at=NOW - timedelta(seconds=1), expires_at=NOW + timedelta(seconds=9), revoked=()
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # as above


def evidence_for(document: GrantDocument, log: NaiveLog, *, rosters: Sequence[str] = (), size: int = 2) -> Evidence:
    """Return what an honest control plane shows to a gateway that saw so much of the log."""
    grown = int(document.log.checkpoint.split("\n")[1])
    return Evidence(rosters=tuple(rosters), consistency=tuple(log.consistency(*sorted((size, grown)))))


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that one verification looks at. By default a tenant without a roster, at its first contact."""

    token_text: str = field(default_factory=lambda: seal_token(token(), GRANTS))
    grant_text: str = field(default_factory=lambda: seal_grant(grant(), GRANTS))
    trust: TrustBundle = TRUST
    pin: TenantPin | None = field(default_factory=lambda: TenantPin(tenant_id=TENANT))
    evidence: Evidence = field(default_factory=Evidence)
    presence: PresenceProof | None = None
    revocations: RevocationList | None = field(default_factory=revocation_list)
    lease_age: timedelta | None = timedelta(seconds=2)
    gateway_id: str = GATEWAY
    front: str = "browser"
    now: datetime = NOW
    started_at: datetime = NOW - timedelta(minutes=10)
    used: frozenset[str] = frozenset()

    def verify(self) -> Verified:
        return verify_connection(
            self.token_text,
            self.grant_text,
            held=Held(
                gateway_id=self.gateway_id,
                trust=self.trust,
                pin=self.pin,
                revocations=self.revocations,
                lease_age=self.lease_age,
                started_at=self.started_at,
                used=self.used,
            ),
            evidence=self.evidence,
            presence=self.presence,
            front=self.front,
            now=self.now,
        )


def strict_case(
    document: GrantDocument | None = None,
    *,
    log: NaiveLog | None = None,
    rosters: Sequence[str] = (signed_roster(ROSTER),),
    **changes: object,
) -> Case:
    """Return the case of a tenant whose roster and log are pinned, with the engineer present."""
    document = document or strict_grant()
    log = log or log_with(document.decision)
    plain = Case(
        grant_text=seal_grant(document, GRANTS),
        pin=pin_of(ROSTER, log),
        evidence=evidence_for(document, log, rosters=rosters),
        presence=presence(),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # as above


def hashes(parts: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(part).decode() for part in parts]
