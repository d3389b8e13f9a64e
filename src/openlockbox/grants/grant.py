"""The grant as it travels: what a gateway needs to open one access. docs/spec/grant-format.md is normative. Pure."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from openlockbox.grants.encoding import (
    EnvelopeRefused,
    Fields,
    Json,
    b64url,
    canonical_bytes,
    encode_instant,
    parse_b64url,
)
from openlockbox.grants.envelope import Kind, open_envelope, peek, seal
from openlockbox.grants.keys import Signer
from openlockbox.grants.statement import MAX_STATEMENT
from openlockbox.grants.trust import MAX_VERSION, TrustBundle

FORMAT: Final = 1
MAX_SIGNATURE: Final = 8_192  # a passkey's assertion with its client data fits several times
MAX_DISPLAYED: Final = 131_072
MAX_CHECKPOINT: Final = 65_536  # a note with the signatures of many witnesses
MAX_LEAF: Final = 65_535  # what an entry bundle's 16-bit length holds
MAX_PROOF: Final = 64  # hashes of a tree of 2**64 leaves
MAX_KEY_ID: Final = 64
MAX_PORT: Final = 65_535
SIGNED_DECISION: Final = "openlockbox.signed_decision"
_HASH_BYTES: Final = 32
_SECURITIES: Final = ("tls", "nla")
_TARGET: Final = ("address", "port", "security", "certificate_sha256", "secret_ref")
_DECISION: Final = ("statement", "method", "key_id", "signature")
_LOG: Final = ("index", "leaf", "checkpoint", "proof")
_FIELDS: Final = (
    "format", "grant_id", "tenant_id", "request_id", "correlation_id", "engineer_id", "resource_id", "resource_name",
    "gateway_id", "scenario", "permission", "channels", "target", "request_digest", "displayed",
    "decision", "log", "issued_at", "not_before", "not_after",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDocument:
    """Where the access leads. The client never names a target; only this does."""

    address: str
    port: int
    security: str  # "tls" | "nla"
    certificate_sha256: str  # lower-case hex of the DER certificate
    secret_ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionDocument:
    """The customer's decision. `statement` is canonical JSON; `method` "unsigned" means by password and TOTP."""

    statement: str
    method: str  # "unsigned" | "passkey" | "ed25519"; another is refused when it is verified
    key_id: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDocument:
    """The approval in the customer's log: the entry's leaf, its place, a checkpoint, and the proof that the one is in the other."""

    index: int
    leaf: bytes
    checkpoint: str
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantDocument:
    """One access: who, what, how, from when to when, on whose decision."""

    grant_id: str
    tenant_id: str
    request_id: str
    correlation_id: str
    engineer_id: str
    resource_id: str
    resource_name: str
    gateway_id: str
    scenario: str
    permission: str
    channels: tuple[str, ...]  # sorted
    target: TargetDocument
    request_digest: str
    displayed: str  # the request as the approver saw it; its digest is `request_digest`
    decision: DecisionDocument
    log: LogDocument
    issued_at: datetime
    not_before: datetime
    not_after: datetime


def signed_decision(decision: DecisionDocument) -> str:
    """Write the document of the log entry that records this decision: statement, method, key and signature as they were given.

    Raises:
        ValueError: a text that JSON does not have.
    """
    document: dict[str, Json] = {"type": SIGNED_DECISION, "format": FORMAT, **_encode_decision(decision)}
    return canonical_bytes(document).decode("utf-8")


def _encode_decision(decision: DecisionDocument) -> dict[str, Json]:
    return {
        "statement": decision.statement,
        "method": decision.method,
        "key_id": decision.key_id,
        "signature": decision.signature,
    }


def _encode_log(log: LogDocument) -> dict[str, Json]:
    return {
        "index": log.index,
        "leaf": b64url(log.leaf),
        "checkpoint": log.checkpoint,
        "proof": [base64.b64encode(part).decode("ascii") for part in log.proof],
    }


def _encode(grant: GrantDocument) -> dict[str, Json]:
    target = grant.target
    return {
        "format": FORMAT,
        "grant_id": grant.grant_id,
        "tenant_id": grant.tenant_id,
        "request_id": grant.request_id,
        "correlation_id": grant.correlation_id,
        "engineer_id": grant.engineer_id,
        "resource_id": grant.resource_id,
        "resource_name": grant.resource_name,
        "gateway_id": grant.gateway_id,
        "scenario": grant.scenario,
        "permission": grant.permission,
        "channels": list[Json](grant.channels),
        "target": {
            "address": target.address,
            "port": target.port,
            "security": target.security,
            "certificate_sha256": target.certificate_sha256,
            "secret_ref": target.secret_ref,
        },
        "request_digest": grant.request_digest,
        "displayed": grant.displayed,
        "decision": _encode_decision(grant.decision),
        "log": _encode_log(grant.log),
        "issued_at": encode_instant(grant.issued_at),
        "not_before": encode_instant(grant.not_before),
        "not_after": encode_instant(grant.not_after),
    }


def _channels(items: list[Json]) -> tuple[str, ...]:
    channels = tuple(item for item in items if isinstance(item, str) and item)
    if len(channels) != len(items) or list(channels) != sorted(set(channels)):
        raise EnvelopeRefused("payload_malformed", "channels")
    return channels


def _target(value: Json) -> TargetDocument:
    fields = Fields(value, _TARGET)
    return TargetDocument(
        address=fields.text("address"),
        port=fields.integer("port", least=1, most=MAX_PORT),
        security=fields.choice("security", _SECURITIES),
        certificate_sha256=fields.sha256("certificate_sha256"),
        secret_ref=fields.name("secret_ref"),
    )


def _decision(value: Json) -> DecisionDocument:
    fields = Fields(value, _DECISION)
    return DecisionDocument(
        statement=fields.long_text("statement", limit=MAX_STATEMENT),
        method=fields.text("method"),
        key_id=fields.long_text("key_id", limit=MAX_KEY_ID),
        signature=fields.long_text("signature", limit=MAX_SIGNATURE),
    )


def parse_hashes(items: list[Json]) -> tuple[bytes, ...]:
    """Read a proof: hashes in standard base64, as C2SP writes them.

    Raises:
        EnvelopeRefused: `payload_malformed`.
    """
    if len(items) > MAX_PROOF:
        raise EnvelopeRefused("payload_malformed", "proof")
    return tuple(_hash(item) for item in items)


def _hash(item: Json) -> bytes:
    try:
        data = base64.b64decode(item, validate=True) if isinstance(item, str) else b""
    except (binascii.Error, ValueError) as error:
        raise EnvelopeRefused("payload_malformed", "proof") from error
    if len(data) != _HASH_BYTES or base64.b64encode(data).decode("ascii") != item:
        raise EnvelopeRefused("payload_malformed", "proof")
    return data


def _log(value: Json) -> LogDocument:
    fields = Fields(value, _LOG)
    return LogDocument(
        index=fields.integer("index", least=0, most=MAX_VERSION),
        leaf=parse_leaf(fields.long_text("leaf", limit=2 * MAX_LEAF)),
        checkpoint=fields.long_text("checkpoint", limit=MAX_CHECKPOINT),
        proof=parse_hashes(fields.array("proof")),
    )


def parse_leaf(text: str) -> bytes:
    """Read the bytes of a log entry's leaf.

    Raises:
        EnvelopeRefused: `payload_malformed`.
    """
    try:
        leaf = parse_b64url(text)
    except EnvelopeRefused as error:
        raise EnvelopeRefused("payload_malformed", "leaf") from error
    if not 0 < len(leaf) <= MAX_LEAF:
        raise EnvelopeRefused("payload_malformed", "leaf")
    return leaf


def _decode(payload: Json) -> GrantDocument:
    fields = Fields(payload, _FIELDS)
    fields.format(FORMAT)
    grant = GrantDocument(
        grant_id=fields.name("grant_id"),
        tenant_id=fields.text("tenant_id"),
        request_id=fields.text("request_id"),
        correlation_id=fields.text("correlation_id"),
        engineer_id=fields.text("engineer_id"),
        resource_id=fields.text("resource_id"),
        resource_name=fields.text("resource_name"),
        gateway_id=fields.text("gateway_id"),
        scenario=fields.text("scenario"),
        permission=fields.text("permission"),
        channels=_channels(fields.array("channels")),
        target=_target(fields.value("target")),
        request_digest=fields.sha256("request_digest"),
        displayed=fields.long_text("displayed", limit=MAX_DISPLAYED),
        decision=_decision(fields.value("decision")),
        log=_log(fields.value("log")),
        issued_at=fields.instant("issued_at"),
        not_before=fields.instant("not_before"),
        not_after=fields.instant("not_after"),
    )
    if grant.not_after <= grant.not_before:
        raise EnvelopeRefused("payload_malformed", "ends before it begins")
    return grant


def seal_grant(grant: GrantDocument, signer: Signer) -> str:
    """Sign it.

    Raises:
        EnvelopeRefused: it would not be read back.
    """
    payload = _encode(grant)
    _decode(payload)
    return seal(Kind.GRANT, payload, signer)


def open_grant(text: str, trust: TrustBundle) -> GrantDocument:
    """Check the signature and read it. Whether it may be used now is `verify_connection`'s to check.

    Raises:
        EnvelopeRefused: see `open_envelope`; `payload_malformed`, `format_unknown`.
    """
    return _decode(open_envelope(Kind.GRANT, text, trust.grant_keys))


def peek_grant(text: str) -> GrantDocument:
    """Read it WITHOUT checking the provider's signature: for the audit, which compares it with what the customer signed.

    Raises:
        EnvelopeRefused: see `peek`; `payload_malformed`, `format_unknown`.
    """
    return _decode(peek(Kind.GRANT, text))
