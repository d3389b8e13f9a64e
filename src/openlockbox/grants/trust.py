"""The trust bundle: which keys a gateway believes, for what. Several at once, for rotation with overlap. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json
from openlockbox.grants.keys import encode_public_key, key_id_of, parse_public_key

FORMAT: Final = 1
MAX_VERSION: Final = 2**53 - 1
MAX_BUNDLE: Final = 1_048_576
_FIELDS: Final = ("format", "version", "grant_keys", "revocation_keys", "checkpoint_keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """The provider's keys by key id. Grants (with tokens), revocations and checkpoints have keys of their own: one thief, one power.

    What counts as a tenant's decision does not stand here: that is the tenant's roster, which the gateway pins apart.
    """

    version: int
    grant_keys: Mapping[str, Ed25519PublicKey]
    revocation_keys: Mapping[str, Ed25519PublicKey]
    checkpoint_keys: Mapping[str, Ed25519PublicKey]


def bundle_of(
    *,
    version: int,
    grant_keys: list[Ed25519PublicKey],
    revocation_keys: list[Ed25519PublicKey],
    checkpoint_keys: list[Ed25519PublicKey],
) -> TrustBundle:
    """Make a bundle from keys."""
    return TrustBundle(
        version=version,
        grant_keys={key_id_of(key): key for key in grant_keys},
        revocation_keys={key_id_of(key): key for key in revocation_keys},
        checkpoint_keys={key_id_of(key): key for key in checkpoint_keys},
    )


def _encode_keys(keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Json]:
    return {key_id: encode_public_key(key) for key_id, key in sorted(keys.items())}


def encode_trust(bundle: TrustBundle) -> dict[str, Json]:
    """Return the bundle as a JSON object."""
    return {
        "format": FORMAT,
        "version": bundle.version,
        "grant_keys": _encode_keys(bundle.grant_keys),
        "revocation_keys": _encode_keys(bundle.revocation_keys),
        "checkpoint_keys": _encode_keys(bundle.checkpoint_keys),
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


def decode_trust(document: Json) -> TrustBundle:
    """Read a bundle strictly.

    Raises:
        EnvelopeRefused: `payload_malformed`, `format_unknown`, `trust_empty` (a list of keys without keys),
            `trust_key_shared` (one key with two powers).
    """
    fields = Fields(document, _FIELDS)
    fields.format(FORMAT)
    bundle = TrustBundle(
        version=fields.integer("version", least=1, most=MAX_VERSION),
        grant_keys=_keys(fields.mapping("grant_keys")),
        revocation_keys=_keys(fields.mapping("revocation_keys")),
        checkpoint_keys=_keys(fields.mapping("checkpoint_keys")),
    )
    if any(a.keys() & b.keys() for a, b in combinations(_key_sets(bundle), 2)):
        raise EnvelopeRefused("trust_key_shared")
    return bundle


def _key_sets(bundle: TrustBundle) -> tuple[Mapping[str, Ed25519PublicKey], ...]:
    return (bundle.grant_keys, bundle.revocation_keys, bundle.checkpoint_keys)


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
