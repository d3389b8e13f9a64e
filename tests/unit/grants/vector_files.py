"""The vector files of tests/vectors/grants, read back into what the verification takes."""

import base64
import json
from datetime import timedelta
from pathlib import Path

from openlockbox.grants.encoding import parse_instant
from openlockbox.grants.pin import decode_pin
from openlockbox.grants.presence import PresenceProof
from openlockbox.grants.revocations import open_revocations
from openlockbox.grants.trust import decode_trust
from openlockbox.verification import connection
from openlockbox.verification.connection import Evidence, Held
from openlockbox.verification.logged import Witnessed

ROOT = Path(__file__).resolve().parents[3]
VECTORS = {
    path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "tests" / "vectors" / "grants").glob("*.json"))
}


def _hashes(texts):
    return tuple(base64.b64decode(text) for text in texts)


def _evidence(document):
    witnessed = document["witnessed"]
    return Evidence(
        rosters=tuple(document["rosters"]),
        consistency=_hashes(document["consistency"]),
        witnessed=None
        if witnessed is None
        else Witnessed(
            checkpoint=witnessed["checkpoint"],
            inclusion=_hashes(witnessed["inclusion"]),
            consistency=_hashes(witnessed["consistency"]),
        ),
    )


def answer(case, verify=None):
    """Return "ok" or the code of the refusal; without one of its guards the verification may also break otherwise."""
    trust, age = decode_trust(case["trust"]), case["lease_age_milliseconds"]
    try:
        (verify or connection.verify_connection)(
            case["token"],
            case["grant"],
            held=Held(
                gateway_id=case["gateway_id"],
                trust=trust,
                pin=None if case["pin"] is None else decode_pin(case["pin"]),
                revocations=None if case["revocations"] is None else open_revocations(case["revocations"], trust),
                lease_age=None if age is None else timedelta(milliseconds=age),
                started_at=parse_instant(case["started_at"]),
                used=set(case["used"]),
            ),
            evidence=_evidence(case["evidence"]),
            presence=None if case["presence"] is None else PresenceProof(**case["presence"]),
            front=case["front"],
            now=parse_instant(case["now"]),
        )
    except Exception as error:
        if type(error).__name__ == "VerificationRefused":  # also that of a module that was read in again
            return error.code
        raise
    return "ok"
