"""The Lockbox request as it was displayed to the customer, read strictly by whoever rests on its digest. Pure; adds nothing to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from openlockbox.grants.assertion import KINDS
from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, parse_canonical
from openlockbox.grants.statement import MAX_GRANTED, MAX_ROSTER_VERSION, sorted_names

TYPE: Final = "openlockbox/request"
VERSION: Final = 1
MAX_DISPLAYED: Final = 131_072
MAX_WRITTEN: Final = 32_768  # what people wrote: justification, the case's description
MAX_PORT: Final = 65_535
_FIELDS: Final = (
    "type", "v", "id", "tenant", "provider", "requester", "resource", "scenario", "permission", "channels", "duration_s",
    "justification", "service_request", "verdict", "approvers", "roster_version", "created_at", "answer_by",
)  # fmt: skip
_PARTY: Final = ("id", "name")
_REQUESTER: Final = ("id", "name", "title", "isolated_identity", "mfa_at", "key")
_KEY: Final = ("key_id", "kind", "public_key", "credential_id", "rp_id", "origins")
_RESOURCE: Final = ("id", "subscription", "name", "type", "operating_system", "description", "target")
_TARGET: Final = ("gateway", "address", "port", "security", "certificate_sha256", "secret_refs")
_CASE: Final = ("id", "title", "description")
_VERDICT: Final = ("policy", "reviewed_by", "reasons")
_REASON: Final = ("rule", "outcome", "texts")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequesterKey:
    """The engineer's own key, with which they show that they are there when the access is used."""

    key_id: str
    kind: str  # "passkey" | "ed25519"
    public_key: str
    credential_id: str  # "" for ed25519
    rp_id: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayedTarget:
    """Where the access would lead. `secret_refs`: permission level -> the gateway's name of that level's account."""

    gateway: str
    address: str
    port: int
    security: str
    certificate_sha256: str
    secret_refs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Displayed:
    """What the customer was asked, as far as a rule rests on it; the rest of the text is there to be read by people."""

    id: str
    tenant_id: str
    requester_id: str
    requester_key: RequesterKey | None
    resource_id: str
    target: DisplayedTarget
    scenario: str
    permission: str
    channels: tuple[str, ...]
    duration: timedelta
    approvers: tuple[str, ...]
    roster_version: int
    created_at: datetime
    answer_by: datetime


def open_displayed(text: str) -> Displayed:
    """Read a displayed request strictly; every field is looked at, also those that are only for people.

    Raises:
        EnvelopeRefused: `payload_not_canonical`, `payload_malformed`, `format_unknown`.
    """
    if len(text) > MAX_DISPLAYED:
        raise EnvelopeRefused("payload_malformed", "displayed request too long")
    try:
        fields = Fields(parse_canonical(text.encode("utf-8")), _FIELDS)
    except UnicodeEncodeError as error:
        raise EnvelopeRefused("payload_not_canonical") from error
    fields.choice("type", (TYPE,))
    if fields.value("v") != VERSION or isinstance(fields.value("v"), bool):
        raise EnvelopeRefused("format_unknown")
    requester = Fields(fields.value("requester"), _REQUESTER)
    resource = Fields(fields.value("resource"), _RESOURCE)
    _read_for_people(fields, requester, resource)
    created_at, answer_by = _time(fields, "created_at"), _time(fields, "answer_by")
    if answer_by <= created_at:
        raise EnvelopeRefused("payload_malformed", "answer_by")
    return Displayed(
        id=fields.name("id"),
        tenant_id=_party(fields, "tenant"),
        requester_id=requester.text("id"),
        requester_key=_key(requester.value("key")),
        resource_id=resource.text("id"),
        target=_target(resource.value("target")),
        scenario=fields.text("scenario"),
        permission=fields.text("permission"),
        channels=sorted_names(fields, "channels"),
        duration=timedelta(seconds=fields.integer("duration_s", least=1, most=int(MAX_GRANTED.total_seconds()))),
        approvers=sorted_names(fields, "approvers"),
        roster_version=fields.integer("roster_version", least=0, most=MAX_ROSTER_VERSION),
        created_at=created_at,
        answer_by=answer_by,
    )


def _party(fields: Fields, field: str) -> str:
    party = Fields(fields.value(field), _PARTY)
    party.text("name")
    return party.text("id")


def _time(fields: Fields, field: str) -> datetime:
    text = fields.text(field)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise EnvelopeRefused("payload_malformed", field) from error
    if at.tzinfo is None or at.isoformat() != text:
        raise EnvelopeRefused("payload_malformed", field)
    return at


def _key(value: Json) -> RequesterKey | None:
    if value is None:
        return None
    fields = Fields(value, _KEY)
    kind = fields.choice("kind", KINDS)
    credential_id = fields.long_text("credential_id", limit=2_048)
    if (kind == "passkey") != bool(credential_id):
        raise EnvelopeRefused("payload_malformed", "credential_id")
    return RequesterKey(
        key_id=fields.name("key_id"),
        kind=kind,
        public_key=fields.text("public_key"),
        credential_id=credential_id,
        rp_id=fields.text("rp_id"),
        origins=sorted_names(fields, "origins"),
    )


def _target(value: Json) -> DisplayedTarget:
    fields = Fields(value, _TARGET)
    names = fields.mapping("secret_refs")
    secret_refs = {level: Fields(names, list(names)).name(level) for level in names}
    if not secret_refs:
        raise EnvelopeRefused("payload_malformed", "secret_refs")
    return DisplayedTarget(
        gateway=fields.text("gateway"),
        address=fields.text("address"),
        port=fields.integer("port", least=1, most=MAX_PORT),
        security=fields.text("security"),
        certificate_sha256=fields.sha256("certificate_sha256"),
        secret_refs=secret_refs,
    )


def _read_for_people(fields: Fields, requester: Fields, resource: Fields) -> None:
    """Check the form of what nothing rests on, so that there is one form and no room beside it."""
    _party(fields, "provider")
    requester.text("name")
    requester.long_text("title", limit=MAX_WRITTEN)
    if not isinstance(requester.value("isolated_identity"), bool):
        raise EnvelopeRefused("payload_malformed", "isolated_identity")
    if requester.value("mfa_at") != "":
        _time(requester, "mfa_at")
    for name in ("subscription", "name", "type", "operating_system", "description"):
        resource.long_text(name, limit=MAX_WRITTEN)
    fields.long_text("justification", limit=MAX_WRITTEN)
    case = Fields(fields.value("service_request"), _CASE)
    for name in _CASE:
        case.long_text(name, limit=MAX_WRITTEN)
    verdict = Fields(fields.value("verdict"), _VERDICT)
    verdict.long_text("policy", limit=MAX_WRITTEN)
    verdict.long_text("reviewed_by", limit=MAX_WRITTEN)
    for item in verdict.array("reasons"):
        reason = Fields(item, _REASON)
        reason.text("rule")
        reason.text("outcome")
        texts = reason.mapping("texts")
        for language in texts:
            Fields(texts, list(texts)).long_text(language, limit=MAX_WRITTEN)
