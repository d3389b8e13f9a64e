"""The trust bundle: which keys a gateway believes, for what. Several at once, for rotation with overlap. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json
from openlockbox.grants.keys import encode_public_key, key_id_of, parse_public_key

FORMAT: Final = 1
MAX_VERSION: Final = 2**53 - 1
MAX_BUNDLE: Final = 1_048_576
UNSIGNED: Final = "unsigned"
KNOWN_METHODS: Final = (UNSIGNED,)  # a decision by password and TOTP; signatures against a tenant's roster come next
_FIELDS: Final = ("format", "version", "grant_keys", "revocation_keys", "tenants")


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantTrust:
    """What holds for one tenant: by which methods its decisions count. None at all means that none counts."""

    decision_methods: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """The keys by key id. Grants (with tokens) and revocations have separate keys, so one thief has one power."""

    version: int
    grant_keys: Mapping[str, Ed25519PublicKey]
    revocation_keys: Mapping[str, Ed25519PublicKey]
    tenants: Mapping[str, TenantTrust] = field(default_factory=dict)

    def decision_methods(self, tenant_id: str) -> tuple[str, ...]:
        """Tell how decisions of this tenant count. A tenant that is not listed has no roster: unsigned ones do."""
        listed = self.tenants.get(tenant_id)
        return (UNSIGNED,) if listed is None else listed.decision_methods


def bundle_of(
    *, version: int, grant_keys: list[Ed25519PublicKey], revocation_keys: list[Ed25519PublicKey]
) -> TrustBundle:
    """Make a bundle from keys."""
    return TrustBundle(
        version=version,
        grant_keys={key_id_of(key): key for key in grant_keys},
        revocation_keys={key_id_of(key): key for key in revocation_keys},
    )


def encode_trust(bundle: TrustBundle) -> dict[str, Json]:
    """Return the bundle as a JSON object."""
    return {
        "format": FORMAT,
        "version": bundle.version,
        "grant_keys": {key_id: encode_public_key(key) for key_id, key in sorted(bundle.grant_keys.items())},
        "revocation_keys": {key_id: encode_public_key(key) for key_id, key in sorted(bundle.revocation_keys.items())},
        "tenants": {
            tenant_id: {"decision_methods": list[Json](tenant.decision_methods)}
            for tenant_id, tenant in sorted(bundle.tenants.items())
        },
    }


def _keys(entries: Mapping[str, Json]) -> dict[str, Ed25519PublicKey]:
    keys = {}
    for key_id, text in entries.items():
        if not isinstance(text, str):
            raise EnvelopeRefused("payload_malformed", "public key")
        key = parse_public_key(text)
        if key_id_of(key) != key_id:
            raise EnvelopeRefused("payload_malformed", "key id")
        keys[key_id] = key
    if not keys:
        raise EnvelopeRefused("trust_empty")
    return keys


def _tenant(value: Json) -> TenantTrust:
    methods = []
    for method in Fields(value, ("decision_methods",)).array("decision_methods"):
        if not isinstance(method, str) or method not in KNOWN_METHODS:
            raise EnvelopeRefused("payload_malformed", "decision method")
        methods.append(method)
    return TenantTrust(decision_methods=tuple(methods))


def decode_trust(document: Json) -> TrustBundle:
    """Read a bundle strictly.

    Raises:
        EnvelopeRefused: `payload_malformed`, `format_unknown`, `trust_empty` (a list of keys without keys),
            `trust_key_shared` (one key for grants and revocations).
    """
    fields = Fields(document, _FIELDS)
    fields.format(FORMAT)
    grant_keys, revocation_keys = _keys(fields.mapping("grant_keys")), _keys(fields.mapping("revocation_keys"))
    if grant_keys.keys() & revocation_keys.keys():
        raise EnvelopeRefused("trust_key_shared")
    return TrustBundle(
        version=fields.integer("version", least=1, most=MAX_VERSION),
        grant_keys=grant_keys,
        revocation_keys=revocation_keys,
        tenants={tenant_id: _tenant(value) for tenant_id, value in fields.mapping("tenants").items()},
    )


def trust_text(bundle: TrustBundle) -> str:
    """Write the bundle for a file that people read."""
    return json.dumps(encode_trust(bundle), indent=2, sort_keys=True) + "\n"


def _no_doubles(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len({name for name, _ in pairs}) != len(pairs):
        message = "a field stands twice"
        raise ValueError(message)
    return dict(pairs)


def parse_trust(text: str) -> TrustBundle:
    """Read the file. Its spelling is free, its content is not.

    Raises:
        EnvelopeRefused: not JSON (`payload_malformed`), and as `decode_trust`.
    """
    if len(text) > MAX_BUNDLE:
        raise EnvelopeRefused("envelope_too_long")
    try:
        return decode_trust(cast("Json", json.loads(text, object_pairs_hook=_no_doubles)))
    except (ValueError, RecursionError) as error:
        raise EnvelopeRefused("payload_malformed", "not JSON") from error
