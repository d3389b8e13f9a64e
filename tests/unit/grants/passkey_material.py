"""Passkeys made of fixed numbers. ECDSA with RFC 6979's nonce, so that vectors are stable. Test keys, worth nothing."""

import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from openlockbox.grants.encoding import Json, b64url
from openlockbox.grants.grant import DecisionDocument
from openlockbox.grants.presence import PresenceProof
from tests.unit.grants.material import (
    ORIGINS,
    RP_ID,
    Case,
    displayed,
    grant,
    log_with,
    pin_of,
    presence,
    roster,
    statement,
    strict_case,
    text_of,
)


class Passkey:
    """A P-256 key in an authenticator that verifies its user."""

    def __init__(self, number: int) -> None:
        self._private = derive_private_key(number, SECP256R1())
        spki = self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public_key = b64url(spki)
        self.key_id = hashlib.sha256(spki).hexdigest()[:16]
        self.credential_id = b64url(number.to_bytes(16))

    def sign(self, statement: str, *, origin: str = ORIGINS[0], rp_id: str = RP_ID, flags: int = 0x05) -> str:
        challenge = b64url(hashlib.sha256(statement.encode()).digest())
        client_data = json.dumps({"type": "webauthn.get", "challenge": challenge, "origin": origin}).encode()
        data = hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + bytes(4)
        signed = data + hashlib.sha256(client_data).digest()
        signature = self._private.sign(signed, ECDSA(SHA256(), deterministic_signing=True))
        return text_of(
            {
                "authenticator_data": b64url(data),
                "client_data_json": b64url(client_data),
                "signature": b64url(signature),
            }
        )


ADA_PASSKEY, ENGINEER_PASSKEY = Passkey(20_001), Passkey(20_002)


def passkey_on_roster(key: Passkey, principal_id: str) -> dict[str, Json]:
    return {
        "key_id": key.key_id,
        "kind": "passkey",
        "public_key": key.public_key,
        "credential_id": key.credential_id,
        "principal_id": principal_id,
        "added_in": 1,
    }


def passkey_requester(key: Passkey) -> dict[str, Json]:
    return {
        "key_id": key.key_id,
        "kind": "passkey",
        "public_key": key.public_key,
        "credential_id": key.credential_id,
        "rp_id": RP_ID,
        "origins": list(ORIGINS),
    }


def signed_text(text: str, key: Passkey) -> str:
    """Return a roster under a passkey's signature."""
    signatures: list[Json] = [{"key_id": key.key_id, "signature": key.sign(text)}]
    return text_of({"type": "openlockbox.signed_roster", "format": 1, "roster": text, "signatures": signatures})


def _passkeys(**faults: object) -> Case:
    """Return the case with passkeys for both; the faults are the approver's."""
    text = roster(passkey_on_roster(ADA_PASSKEY, "principal-ada"))
    shown = displayed(key=passkey_requester(ENGINEER_PASSKEY), roster_version=1)
    said = statement(shown=shown, roster_version=1)
    decision = DecisionDocument(
        statement=said,
        method="passkey",
        key_id=ADA_PASSKEY.key_id,
        signature=ADA_PASSKEY.sign(str(faults.pop("over", said)), **faults),
    )
    here = presence()
    return strict_case(
        grant(shown=shown, decision=decision),
        rosters=(signed_text(text, ADA_PASSKEY),),
        pin=pin_of(text, log_with(decision)),
        presence=PresenceProof(statement=here.statement, signature=ENGINEER_PASSKEY.sign(here.statement)),
    )


PASSKEY_CASES: dict[str, tuple[str, Case, str]] = {
    "good_passkey": ("Approver and engineer with passkeys.", _passkeys(), "ok"),
    "passkey_of_other_page": (
        "The approver's passkey on a page that is not the portal's.",
        _passkeys(origin="https://portal.test.example"),
        "signature_wrong",
    ),
    "passkey_without_user": (
        "A passkey that did not verify its user.",
        _passkeys(flags=0x01),
        "signature_wrong",
    ),
    "passkey_for_other_statement": (
        "A passkey's signature over another statement.",
        _passkeys(over="another"),
        "signature_wrong",
    ),
}
