"""The grant as it travels: what a gateway needs to open one access. docs/spec/grant-format.md is normative. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, encode_instant
from openlockbox.grants.envelope import Kind, open_envelope, seal
from openlockbox.grants.keys import Signer
from openlockbox.grants.statement import MAX_STATEMENT
from openlockbox.grants.trust import TrustBundle

FORMAT: Final = 1
MAX_SIGNATURE: Final = 8_192  # a passkey's assertion with its client data fits several times
MAX_PORT: Final = 65_535
_SECURITIES: Final = ("tls", "nla")
_TARGET: Final = ("address", "port", "security", "certificate_sha256", "secret_ref")
_DECISION: Final = ("statement", "method", "signature")
_FIELDS: Final = (
    "format", "grant_id", "tenant_id", "request_id", "correlation_id", "engineer_id", "resource_id", "resource_name",
    "gateway_id", "scenario", "permission", "channels", "target", "request_digest", "decision",
    "issued_at", "not_before", "not_after",
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
    method: str
    signature: str = ""


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
    decision: DecisionDocument
    issued_at: datetime
    not_before: datetime
    not_after: datetime


def _encode(grant: GrantDocument) -> dict[str, Json]:
    target, decision = grant.target, grant.decision
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
        "decision": {"statement": decision.statement, "method": decision.method, "signature": decision.signature},
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
        signature=fields.long_text("signature", limit=MAX_SIGNATURE),
    )


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
        decision=_decision(fields.value("decision")),
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
